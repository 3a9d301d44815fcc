"""SHA-256 of files, block by block."""

from __future__ import annotations

import hashlib
from pathlib import Path


def compute_sha256(path: Path, start: int = 0) -> str:
    """Return the hexadecimal digest of the file's bytes from `start` on."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
