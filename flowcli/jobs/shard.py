"""A part of a batch for one of several machines: the same inputs everywhere, each machine takes every N-th of them.

The parts share one output folder. Each has a lock, a journal and temporary files of its own; each reads the journals of
the others, so that a later run in other parts, or in one, knows what is done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

_PARSED = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 1, of `count`."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `2/8`; raises ValueError for anything but I/N with 1 <= I <= N."""
        match = _PARSED.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise ValueError(f"expected I/N such as 2/8, from 1/N to N/N, got {text!r}")
        return cls(int(match[1]), int(match[2]))

    def take(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of this part: each belongs to exactly one."""
        return list(items[self.number - 1 :: self.count])

    @property
    def mark(self) -> str:
        """What the names of this part's own files contain, such as `2-of-8`; empty for the whole batch."""
        return f"{self.number}-of-{self.count}" if self.count > 1 else ""

    def owns(self, mark: str) -> bool:
        """Return whether a file with this mark, or without one, is no business of another part of the same batch."""
        return mark == self.mark or re.fullmatch(rf"\d+-of-{self.count}", mark) is None


WHOLE = Shard()
