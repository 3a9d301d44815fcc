"""No output may be one of its own inputs, whatever it is called: links and other spellings name the same file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from flowcli.errors import UsageError
from flowcli.io.image import IMAGE_SUFFIXES
from flowcli.output.destination import Destination

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
            with suppress(OSError):
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

    def check(self, destination: Destination, files: Iterable[Path] | None = None) -> None:
        """Refuse an output that is an input.

        Args:
            destination: a file, or a folder of files.
            files: those that will be written into the folder; None for all that are there with its suffix.

        Raises:
            UsageError: a file to be written is there already and is an input, or pictures would lie among the frames
                of a folder that is an input, and be taken for frames the next time.
        """
        if not destination.is_folder:
            self.check_file(destination.path)
            return
        for path in destination.path.glob(f"*{destination.suffix}") if files is None else files:
            self.check_file(path)
        if destination.suffix in IMAGE_SUFFIXES and self._find(destination.path) is not None:
            raise UsageError(
                f"{destination.path}: expected another folder than that of the frames, where pictures would be taken "
                "for frames the next time"
            )

    def check_file(self, path: Path) -> None:
        """Refuse a file to be written that is there already and is an input; raises UsageError."""
        found = self._find(path)
        if found is not None:
            other = "the input itself" if found == path else f"the input {found} itself"
            raise UsageError(f"{path}: expected another file to write to, got {other}")

    def _find(self, path: Path) -> Path | None:
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
