"""What this program makes itself, and must not take for input: files by their names, folders by the journal in them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

# In an output folder: the journal, the lock and what is unfinished.
STATE_FOLDER = ".flowcli"
# NAME.flow.png, NAME.backward.flo, NAME.flow.backward.mp4, NAME.occlusion.png, NAME.confidence.png; folders without
# the last suffix.
_ENDINGS = frozenset({".flow", ".backward", ".occlusion", ".confidence"})


def is_result_file(path: Path) -> bool:
    """Return whether a file is called as the pictures and videos of flow are that this program makes."""
    return PurePath(path.stem).suffix in _ENDINGS


def is_result_folder(path: Path) -> bool:
    """Return whether a folder is called as those for results are, or has a journal of results in it."""
    return path.suffix in _ENDINGS or any((path / STATE_FOLDER).glob("journal*.jsonl"))


def leave_out_results(paths: Sequence[Path]) -> list[Path]:
    """Return the paths that are not called as results are; all of them if they all are, for then they are meant."""
    return [path for path in paths if not is_result_file(path)] or list(paths)


def describe_left_out(inputs: Iterable[str]) -> str | None:
    """Return a line that says which results `open_source` leaves out of these folders and globs, or None."""
    from flowcli.io.image import IMAGE_SUFFIXES

    found: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            found += [one for one in path.iterdir() if not one.name.startswith(".")]
        elif not path.exists() and any(mark in text for mark in "*?["):
            found += [Path(one) for one in glob.glob(text, recursive=True)]  # noqa: PTH207
    pictures = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    results = sorted(path for path in pictures if is_result_file(path))
    if not results or len(results) == len(pictures):
        return None
    return f"left out as results of flowcli: {results[0]}{f' and {len(results) - 1} more' if len(results) > 1 else ''}"
