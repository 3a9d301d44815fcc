"""Where weights lie: the embedded file, the weights folder, or whatever path the user gives. Never the network.

Weights folder: the environment variable FLOWCLI_WEIGHTS, else the platform's cache folder. A model NAME is the file
NAME.safetensors in it; its content may be any layout that flowcli reads.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_cache_path

from flowcli.checkpoints.manifest import COARSE, EMBEDDED, KNOWN
from flowcli.checkpoints.sharded import find_checkpoint_file
from flowcli.errors import InputError, WeightsError

FOLDER_VARIABLE = "FLOWCLI_WEIGHTS"
# Names that mean something else to --model.
RESERVED = (EMBEDDED, COARSE, "zero", "dis", "farneback", "variational", "untrained")


def weights_folder() -> Path:
    """Return the folder of fetched and imported weights; it need not exist yet."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder).expanduser()
    return user_cache_path("flowcli", appauthor=False) / "weights"


def embedded_path(name: str = EMBEDDED) -> Path:
    """Locate embedded weights, EMBEDDED or COARSE: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "weights", package.parent / "weights"):
        path = folder / f"{name}.safetensors"
        if path.is_file():
            return path
    raise WeightsError(f"the embedded weights are missing from {package}; install flowcli again")


def stored_path(name: str) -> Path:
    """Return where weights called `name` lie in the weights folder, there or not.

    Raises:
        InputError: `name` is no name, or means something else.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name):
        raise InputError(f"expected a name of lowercase letters, digits and . _ -, got {name!r}")
    if name in RESERVED:
        raise InputError(f"the name {name} is taken by a built-in model; choose another")
    return weights_folder() / f"{name}.safetensors"


def list_names() -> list[str]:
    """Return the known names, then those of other files in the weights folder."""
    folder = weights_folder()
    # Temporary files of a fetch that was killed start with a dot.
    stored = sorted(path.stem for path in folder.glob("[a-z0-9]*.safetensors")) if folder.is_dir() else []
    return [*KNOWN, *(name for name in stored if name not in KNOWN and name not in RESERVED)]


def locate(name_or_path: str | Path) -> Path:
    """Resolve a model name or a path to an existing file.

    Raises:
        WeightsError: there is none; the message says how to get it.
    """
    if isinstance(name_or_path, str):
        if name_or_path in (EMBEDDED, COARSE):
            return embedded_path(name_or_path)
        if name_or_path in list_names():
            path = stored_path(name_or_path)
            if path.is_file():
                return path
            raise WeightsError(
                f"{name_or_path}: the weights are not on this machine; fetch them with: "
                f"flowcli weights pull {name_or_path}"
            )
    path = find_checkpoint_file(Path(name_or_path))
    if path is None:
        raise WeightsError(f"{name_or_path}: expected {', '.join(list_names())}, or a checkpoint file; found neither")
    return path
