"""SHA-256 of files, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def compute_sha256(path: Path, start: int = 0, *, after: Iterable[Path] = ()) -> str:
    """Return the hexadecimal digest of the file's bytes from `start` on, followed by those of the files `after`."""
    digest = hashlib.sha256()
    for number, one in enumerate((path, *after)):
        with one.open("rb") as file:
            file.seek(0 if number else start)
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()
