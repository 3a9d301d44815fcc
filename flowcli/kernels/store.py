"""Where compiled kernels lie, and which of them are used.

Folder: the environment variable FLOWCLI_KERNELS, else the platform's cache folder. A library's name holds a digest of
what it was compiled from, so another version of flowcli does not load it.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import torch
from platformdirs import user_cache_path

from flowcli.errors import EngineError, OutputError, UsageError
from flowcli.kernels.library import Library
from flowcli.kernels.processor import Level, has_matrix_unit, list_levels

FOLDER_VARIABLE = "FLOWCLI_KERNELS"
SOURCES = Path(__file__).resolve().parent / "source"


def kernels_folder() -> Path:
    """Return the folder of compiled kernels; it need not exist yet."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder).expanduser()
    return user_cache_path("flowcli", appauthor=False) / "kernels"


def library_path(level: Level) -> Path:
    """Return where the library of a level lies, there or not."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    digest.update(" ".join(level.options).encode())
    return kernels_folder() / f"{digest.hexdigest()[:16]}-{level.name}.so"


def find_kernels() -> tuple[Level, Path] | None:
    """Return the best compiled level that this processor runs."""
    for level in list_levels():
        if (path := library_path(level)).is_file():
            return level, path
    return None


def remove_kernels() -> list[Path]:
    """Remove all compiled libraries, those of other versions as well, and return their paths.

    Raises:
        OutputError: one of them cannot be removed.
    """
    folder = kernels_folder()
    paths = sorted(folder.glob("[0-9a-f]*.so")) if folder.is_dir() else []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from None
    return paths


def choose_kernels(name: str, operands: torch.dtype) -> Library | None:
    """Resolve "auto", "compiled" or "torch" for operands of a type; None: torch does it all.

    Raises:
        EngineError: if "compiled" is asked for and nothing is compiled, or not for these operands.
        UsageError: if the name is another.
    """
    if name not in ("auto", "compiled", "torch"):
        raise UsageError(f"expected kernels auto, compiled or torch, got {name!r}")
    found = None if name == "torch" else find_kernels()
    if found is None:
        if name == "compiled":
            raise EngineError(f"expected compiled kernels in {kernels_folder()}, found none; run flowcli compile")
        return None
    library = _load(*found)
    if name == "compiled" and operands not in library.operands:
        raise EngineError(f"expected kernels with bfloat16 for --precision bf16, found {library.level}; use fp32")
    if name == "auto" and (operands not in library.operands or (operands == torch.bfloat16 and has_matrix_unit())):
        return None
    return library


@cache
def _load(level: Level, path: Path) -> Library:
    try:
        return Library(path, level.name)
    except OSError as error:
        raise EngineError(
            f"{path}: cannot be loaded: {error}; run flowcli compile again, or use --kernels torch"
        ) from None
