"""Checkpoints in several files, as transformers and accelerate save them: shards, and a JSON index of who has what.

The index (`model.safetensors.index.json`, `pytorch_model.bin.index.json`) maps the name of each tensor to a file beside
it. It is believed no further than that: a name with a folder in it is refused, and each tensor is looked for where the
index says.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from flowcli.errors import WeightsError

_ENDING = ".index.json"
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}(\.\w+)")
# What a folder is searched for, the index of several files before one file that has all.
_IN_FOLDER = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "model.safetensors",
    "pytorch_model.bin",
)
_MOST_BYTES = 2**22
_MOST_SHARDS = 1000


def find_checkpoint_file(path: Path) -> Path | None:
    """Return the file that a path means: itself, the checkpoint in a folder, or the index beside a shard."""
    if path.is_dir():
        return next((path / name for name in _IN_FOLDER if (path / name).is_file()), None)
    if not path.is_file():
        return None
    match = _SHARD.fullmatch(path.name)
    index = path.with_name(f"{match[1]}{match[2]}{_ENDING}") if match is not None else path
    return index if index.is_file() else path


def is_index(path: Path) -> bool:
    """Return whether a file is called as an index of shards is."""
    return path.name.endswith(_ENDING)


def read_index(path: Path) -> dict[Path, list[str]]:
    """Return the files that an index names, in order, each with the tensors to be taken from it.

    Raises:
        WeightsError: it is no index, a file is missing, or lies elsewhere.
    """
    expected = "an index of shards, JSON with weight_map"
    with path.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise WeightsError(f"{path}: expected {expected}, found more than {_MOST_BYTES >> 20} MiB")
    try:
        content: Any = json.loads(data)
        weight_map = content["weight_map"]
        pairs = cast("dict[str, str]", weight_map).items()
        if not pairs or not all(isinstance(file, str) for _, file in pairs):
            raise TypeError("weight_map names no files")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: expected {expected}, found a damaged one ({error!s:.200})") from error
    shards: dict[Path, list[str]] = {}
    for name, file in pairs:
        if file != Path(file).name or file in ("", ".", "..") or "\\" in file or "\0" in file:
            raise WeightsError(
                f"{path}: expected names of files beside it, found {file!r:.100}; it is not to be trusted"
            )
        shards.setdefault(path.parent / file, []).append(name)
    if len(shards) > _MOST_SHARDS:
        raise WeightsError(f"{path}: expected at most {_MOST_SHARDS} files, found {len(shards)}")
    for shard in shards:
        try:
            is_there = shard.is_file() and not is_index(shard)
        except OSError:  # a name that the system does not take
            is_there = False
        if not is_there:
            raise WeightsError(
                f"{path.parent / shard.name[:100]}: no such file, but {path.name} has tensors in it; fetch it, too"
            )
    return dict(sorted(shards.items()))
