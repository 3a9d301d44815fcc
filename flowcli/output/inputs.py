"""No output may be one of its own inputs, whatever it is called: links and other spellings name the same file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from flowcli.errors import UsageError

# What tells a file from all others: device and number.
_Identity = tuple[int, int]


class InputFiles:
    """The files that are read, by what they are and not by what they are called."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        """Take files and folders; what is not there is left out."""
        self._found: dict[_Identity, Path] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Take a file, or a folder with the files in it."""
        _take(self._found, path)
        if path.is_dir():
            for one in path.iterdir():
                _take(self._found, one)

    def add_stream(self, stream: IO[bytes]) -> None:
        """Take the file that a stream reads, if it is one."""
        try:
            state = os.fstat(stream.fileno())
        except (OSError, ValueError):
            return
        if stat.S_ISREG(state.st_mode):
            self._found[state.st_dev, state.st_ino] = Path("standard input")

    def check(self, outputs: Iterable[Path]) -> None:
        """Raise UsageError if one of the outputs is there already and is an input."""
        for path in outputs:
            found = self.find(path)
            if found is not None:
                other = "the input itself" if found == path else f"the input {found} itself"
                raise UsageError(f"{path}: expected another file to write to, got {other}; name another with -o or -v")

    def find(self, path: Path) -> Path | None:
        """Return the input that a path names, or None."""
        try:
            state = path.stat()
        except (OSError, ValueError):
            return None
        return self._found.get((state.st_dev, state.st_ino))


def _take(found: dict[_Identity, Path], path: Path) -> None:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return
    found.setdefault((state.st_dev, state.st_ino), path)
