"""How the items of a batch ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How an item ended.

    Attributes:
        name: of the item.
        outputs: its files and folders, or none.
        files: every file of its results, those of earlier runs included.
        fault: why it is not complete, or None.
        pairs: number of pairs that are written.
        skipped: whether all of it was there already.
    """

    name: str
    outputs: tuple[Path, ...]
    fault: str | None
    pairs: int
    skipped: bool = False
    files: tuple[Path, ...] = ()
