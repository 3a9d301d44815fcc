"""Which flow files the user means, and what the results made from them are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowcli.errors import InputError, UsageError
from flowcli.io.flow import FORMATS, find_format
from flowcli.io.frames import expand_glob, natural_key


def list_flows(inputs: Sequence[str]) -> list[Path]:
    """Return the flow files that paths, folders and globs name, in natural order.

    In a folder, PNG files count as flow only if there is no other flow file: next to those they are pictures.

    Raises:
        InputError: nothing there, no flow file in a folder, or a suffix that is not in FORMATS.
    """
    paths = [path for text in inputs for path in _expand(text)]
    for path in paths:
        find_format(path).check_available()
    return sorted(paths, key=natural_key)


def _expand(text: str) -> list[Path]:
    if not text.strip():
        # Path("") is the current folder, which nobody meant.
        raise UsageError("expected the name of a flow file or folder, got an empty one; is a variable unset?")
    path = Path(text)
    if path.is_dir():
        return _list_folder(path)
    if path.exists():
        return [path]
    if any(mark in text for mark in "*?["):
        return expand_glob(text)
    raise InputError(f"{text}: no such file or folder")


def _list_folder(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    found = [path for path in found if path.name.lower().endswith(tuple(FORMATS))]
    others = [path for path in found if path.suffix.lower() != ".png"]
    if not found:
        raise InputError(f"{folder}: expected flow files ({' '.join(FORMATS)}) in the folder, found none")
    return others or found


def flow_stem(path: Path) -> str:
    """Return the name of a flow file without the suffix of its format."""
    return path.name[: -len(find_format(path).suffix)]


def name_results(paths: Sequence[Path]) -> list[str]:
    """Return a name for the result made from each file: its stem, with its number where stems repeat."""
    stems = [flow_stem(path) for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{index:06d}_{stem}" for index, stem in enumerate(stems)]
