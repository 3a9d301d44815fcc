"""Checks that a data set is complete, made on names alone before anything is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import InputError


@dataclass(frozen=True)
class Layout:
    """A data set's name, root folder and published layout; its checks raise InputError that says all three."""

    dataset: str
    root: Path
    description: str

    def folder(self, relative: str) -> Path:
        """Return the folder `relative` to the root, which must be there."""
        path = self.root / relative
        if not path.is_dir():
            raise self._missing("folder", path)
        return path

    def files(self, *paths: Path) -> None:
        """Check that every one of these files is there."""
        for path in paths:
            if not path.is_file():
                raise self._missing("file", path)

    def something(self, found: list[str] | list[int], wanted: Path) -> None:
        """Check that a listing found anything; `wanted` says what it was looking for."""
        if not found:
            raise self._missing("files", wanted)

    def _missing(self, kind: str, path: Path) -> InputError:
        return InputError(
            f"{self.dataset}: expected the {kind} {path}, found nothing there; "
            f"below its root the data set has {self.description}"
        )


def folder_names(folder: Path) -> list[str]:
    """Sorted names of the folders in `folder`."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def file_numbers(folder: Path, before: str, after: str) -> list[int]:
    """Sorted numbers N of the files called `before` + N + `after`; none if there is no such folder."""
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))
