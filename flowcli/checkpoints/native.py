"""Our own checkpoints: safetensors with the configuration in the header's metadata.

Format: https://github.com/huggingface/safetensors#format (8 bytes of header length, JSON header, tensor bytes).
Metadata: JSON of `ModelConfig.to_dict()` under CONFIG_KEY and the SHA-256 of the tensor bytes under DIGEST_KEY; every
other key belongs to the caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from flowcli.checkpoints.checkpoint import Checkpoint, check_shapes, check_values
from flowcli.checkpoints.digest import compute_sha256
from flowcli.checkpoints.safetensors_header import is_safetensors, read_safetensors_header
from flowcli.errors import WeightsError
from flowcli.io.atomic import replace_when_complete
from flowcli.model.config import ModelConfig

CONFIG_KEY = "flowcli.config"
DIGEST_KEY = "flowcli.sha256"

_DTYPE_CODES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
# The first layer takes differences of nearly equal values, which half precision cannot hold; it is small.
_KEPT_FLOAT32 = "pixels."


def save_checkpoint(
    path: str | Path,
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint atomically; the same content gives the same bytes.

    Args:
        path: the file to write, usually named `*.safetensors`; replaced if it exists.
        config: the network's shape.
        tensors: `PerceiverFlow(config).state_dict()`, on any device.
        metadata: what a reader should know: recipe, data, measured error.
        dtype: float32, float16 or bfloat16 for storage; the pixel network stays float32.

    Raises:
        WeightsError: the tensors are not those of `config`, or a value is not finite as `dtype`.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if dtype not in _DTYPE_CODES:
        raise ValueError(f"expected one of {[str(dtype) for dtype in _DTYPE_CODES]}, got {dtype}")
    if taken := metadata.keys() & {CONFIG_KEY, DIGEST_KEY}:
        raise ValueError(f"metadata key {min(taken)!r} is written by save_checkpoint itself")
    check_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()}, config, path)
    stored = {
        name: tensor.detach().to("cpu", torch.float32 if name.startswith(_KEPT_FLOAT32) else dtype).contiguous()
        for name, tensor in tensors.items()
    }
    check_values(stored, path)

    # The library's own writer puts the metadata in a random order; equal checkpoints should have equal digests.
    header: dict[str, object] = {}
    # Wider numbers first, so that every tensor is aligned.
    names = sorted(stored, key=lambda name: (-stored[name].element_size(), name))
    digest = hashlib.sha256()
    end = 0
    for name in names:
        digest.update(_as_bytes(stored[name]))
        start, end = end, end + stored[name].nbytes
        header[name] = {
            "dtype": _DTYPE_CODES[stored[name].dtype],
            "shape": list(stored[name].shape),
            "data_offsets": [start, end],
        }
    own = {CONFIG_KEY: json.dumps(config.to_dict()), DIGEST_KEY: digest.hexdigest()}
    header["__metadata__"] = {**metadata, **own}
    encoded = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replace_when_complete(path) as temporary, temporary.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in names:
            file.write(_as_bytes(stored[name]))


def read_native(path: Path) -> Checkpoint:
    """Read a file for which `is_native` holds.

    Raises:
        WeightsError: it is damaged, or its tensors are not those of its configuration.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            config = _parse_config(metadata.pop(CONFIG_KEY), path)
            metadata.pop(DIGEST_KEY, None)
            names = list(file.keys())
            # Shapes come from the header: nothing is read before they are known to fit.
            check_shapes({name: tuple(file.get_slice(name).get_shape()) for name in names}, config, path)
            tensors = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in names}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: expected a safetensors file, found a damaged one ({error!s:.300})") from error
    check_values(tensors, path)
    return Checkpoint(config, tensors, metadata, path)


def is_native(path: Path) -> bool:
    """Tell whether `path` starts like a safetensors file that `save_checkpoint` wrote."""
    return is_safetensors(path) and CONFIG_KEY in read_safetensors_header(path).metadata


def check_digest(path: Path) -> None:
    """Raise WeightsError unless the tensor bytes of our own file are those that were saved."""
    header = read_safetensors_header(path)
    promised = header.metadata.get(DIGEST_KEY)
    found = compute_sha256(path, start=header.end)
    if found != promised:
        raise WeightsError(f"{path}: expected tensors of sha256 {promised}, found {found}; the file is damaged")


def _as_bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _parse_config(text: str, path: Path) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: the network's configuration makes no network: {error!s:.300}") from error
