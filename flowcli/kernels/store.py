"""Where compiled kernels lie, and which of them are used.

Folder: the environment variable FLOWCLI_KERNELS, else the platform's cache folder. A library's name holds a digest of
what it was compiled from, so another version of flowcli does not load it.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

import torch
from platformdirs import user_cache_path

from flowcli.errors import EngineError, OutputError, UsageError
from flowcli.kernels.library import Library
from flowcli.kernels.processor import LEVELS, OPTIONS, Level, has_matrix_unit, list_levels

FOLDER_VARIABLE = "FLOWCLI_KERNELS"
# What is compiled, and what a crash left of it.
_LIBRARY = re.compile(rf"[0-9a-f]{{16}}-({'|'.join(level.name for level in LEVELS)})\.so|\.flowcli-[0-9a-f]{{16}}\.so")
SOURCES = Path(__file__).resolve().parent / "source"


def kernels_folder() -> Path:
    """Return the folder of compiled kernels; it need not exist yet."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        # A library without a folder in its name would be looked for among the system's.
        return Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111  # an unknown ~user is a folder's name
    return user_cache_path("flowcli", appauthor=False) / "kernels"


def library_path(level: Level) -> Path:
    """Return where the library of a level lies, there or not."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    digest.update(" ".join(OPTIONS + level.options).encode())
    return kernels_folder() / f"{digest.hexdigest()[:16]}-{level.name}.so"


def find_kernels() -> tuple[Level, Path] | None:
    """Return the best compiled level that this processor runs."""
    for level in list_levels():
        path = library_path(level)
        if os.access(path, os.R_OK):  # neither there nor in a folder that is closed to us
            return level, path
    return None


def remove_kernels() -> list[Path]:
    """Remove all compiled libraries, those of other versions as well, and return their paths.

    Raises:
        OutputError: one of them, or the folder, is closed to us.
    """
    folder = kernels_folder()
    try:
        paths = sorted(path for path in folder.iterdir() if _LIBRARY.fullmatch(path.name))
        for path in paths:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"{folder}: cannot be emptied: {error.strerror or error}") from None
    return paths


def choose_kernels(name: str, operands: torch.dtype, device: torch.device) -> Library | None:
    """Resolve "auto", "compiled" or "torch" for operands of a type on a device; None: torch does it all.

    Raises:
        EngineError: if "compiled" is asked for and nothing is compiled, or not for these operands.
        UsageError: if the name is another, or "compiled" and the device no CPU.
    """
    if name not in ("auto", "compiled", "torch"):
        raise UsageError(f"expected kernels auto, compiled or torch, got {name!r}")
    if name == "compiled" and device.type != "cpu":
        raise UsageError(f"expected --device cpu with --kernels compiled, got {device}")
    found = None if name == "torch" or device.type != "cpu" else find_kernels()
    if found is None:
        if name == "compiled":
            raise EngineError(f"expected compiled kernels in {kernels_folder()}, found none; run flowcli compile")
        return None
    library = _load(*found)
    if name == "compiled" and operands not in library.operands:
        raise EngineError(
            f"expected kernels with bfloat16 for --precision bf16, found {library.level}; run flowcli compile"
        )
    if name == "auto" and (operands not in library.operands or (operands == torch.bfloat16 and has_matrix_unit())):
        return None
    return library


@cache
def _load(level: Level, path: Path) -> Library:
    try:
        return Library(path, level.name)
    except (OSError, AttributeError) as error:
        raise EngineError(
            f"{path}: cannot be loaded: {error}; run flowcli compile again, or use --kernels torch"
        ) from None
