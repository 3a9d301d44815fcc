"""Where weights lie: the embedded file, and whatever path the user gives."""

from __future__ import annotations

from pathlib import Path

from flowcli.errors import WeightsError

EMBEDDED = "compact"


def embedded_path() -> Path:
    """Locate the embedded weights: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "weights", package.parent / "weights"):
        path = folder / "compact.safetensors"
        if path.is_file():
            return path
    raise WeightsError(f"the embedded weights are missing from {package}; install flowcli again")


def locate(name_or_path: str | Path) -> Path:
    """Resolve a model name or a path to an existing file."""
    if name_or_path == EMBEDDED:
        return embedded_path()
    path = Path(name_or_path)
    if not path.is_file():
        raise WeightsError(f"{path}: expected a model name ({EMBEDDED}) or a checkpoint file, found neither")
    return path
