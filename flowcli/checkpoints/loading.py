"""From a model's name or a file to a checkpoint, whatever layout the file has: recognised by content, not by name."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from flowcli.checkpoints.checkpoint import Checkpoint, check_shapes, check_values
from flowcli.checkpoints.haiku import read_haiku
from flowcli.checkpoints.native import is_native, read_native
from flowcli.checkpoints.renaming import recognise_key_map, rename, unwrap_names
from flowcli.checkpoints.safetensors_header import is_safetensors
from flowcli.checkpoints.sharded import is_index, read_index
from flowcli.checkpoints.store import locate
from flowcli.checkpoints.torch_zip import read_torch_zip
from flowcli.errors import WeightsError
from flowcli.model.config import PERCEIVER_IO, ModelConfig
from flowcli.runtime.memory import trim_memory

# How torch.save began before PyTorch 1.6: a pickle of this number.
_LEGACY_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_TRIM_EVERY = 2**24
"""Bytes of tensors that may be freed before their memory goes back to the system."""


def load_checkpoint(name_or_path: str | Path, *, published: ModelConfig = PERCEIVER_IO) -> Checkpoint:
    """Read the weights of a known model, or of a file.

    Args:
        name_or_path: "compact", a name of the weights folder (`flowcli weights list`), or a file in one of the layouts:
            our own; Hugging Face `model.safetensors` and `pytorch_model.bin`; DeepMind's haiku `.pystate`;
            JOBR0's `.pth`; krasserm's `pytorch_model.bin`. A training program may have put it under `state_dict` or
            the like and its own words before the names (`module.`, `_orig_mod.`, `model.`). Several files with an index
            of them are named by the index, by one of them, or by their folder.
        published: the network in a file that does not describe it, which is every layout but ours. All public files
            hold the same weights, trained by DeepMind with the tanh form of GELU, so that is what they get; the
            PyTorch ports compute the erf form (activations differ by up to 5e-4), and
            `replace(PERCEIVER_IO, gelu="erf")` reproduces them.

    Raises:
        WeightsError: unknown, absent, damaged, or of another network.
    """
    path = locate(name_or_path)
    try:
        return _read(path, published)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read(path: Path, published: ModelConfig) -> Checkpoint:
    if is_index(path):
        shards = read_index(path)
        tensors: dict[str, Tensor] = {}
        for shard, names in shards.items():
            part = _read_tensors(shard)
            if missing := [name for name in names if name not in part]:
                raise WeightsError(f"{shard}: expected the tensor {missing[0]!r:.100} by {path.name}, found none")
            tensors |= {name: part[name] for name in names}
        return _from_published(tensors, published, path, tuple(shards))
    if is_native(path):
        return read_native(path)
    return _from_published(_read_tensors(path), published, path)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        start = file.read(16)
    if is_safetensors(path):  # before the pickles: the length of its header may look like the start of one
        return _read_safetensors(path)
    if start.startswith(b"PK\x03\x04"):
        return read_torch_zip(path)
    if start.startswith(_LEGACY_TORCH):
        raise WeightsError(
            f"{path}: expected a file of PyTorch 1.6 or later, found an older one; "
            "load it with torch.load(weights_only=True) and save it again with torch.save"
        )
    if start.startswith(b"\x80"):
        return read_haiku(path)
    raise WeightsError(f"{path}: expected a checkpoint (safetensors, torch.save or pickle), found {start!r}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: expected a safetensors file, found a damaged one ({error!s:.300})") from error


def _from_published(
    tensors: dict[str, Tensor], config: ModelConfig, path: Path, shards: tuple[Path, ...] = ()
) -> Checkpoint:
    tensors = unwrap_names(tensors, path)
    key_map = recognise_key_map(tensors, path)
    renamed = rename(tensors, key_map, config.layers, path)
    tensors.clear()
    check_shapes({name: tuple(tensor.shape) for name, tensor in renamed.items()}, config, path)
    # Tensors of a file may share bytes; conversion would give each its own.
    if sum(tensor.nbytes for tensor in renamed.values()) > sum(file.stat().st_size for file in shards or (path,)):
        raise WeightsError(f"{path}: the tensors claim more bytes than the file has; it is not to be trusted")
    for name, tensor in renamed.items():
        if not tensor.is_floating_point():
            raise WeightsError(f"{path}: expected tensor {name} of floating-point numbers, found {tensor.dtype}")
    converted = _convert(renamed)
    check_values(converted, path)
    return Checkpoint(config, converted, {"layout": key_map.title}, path, shards)


def _convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move the tensors to arrays of their own, one at a time, so that the network does not stand in memory twice.

    The allocator can't always put an array where the one before it was, so what is free goes back to the system.
    """
    converted: dict[str, Tensor] = {}
    freed = 0
    for name in list(tensors):
        converted[name] = tensors.pop(name).to(torch.float32, copy=True).contiguous()
        freed += converted[name].nbytes
        if freed > _TRIM_EVERY:
            trim_memory()
            freed = 0
    return converted
