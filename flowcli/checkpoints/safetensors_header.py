"""The JSON header of a safetensors file, read without torch and without touching the tensors.

Format: https://github.com/huggingface/safetensors#format (8 bytes of header length, JSON header, tensor bytes).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import WeightsError

MAX_HEADER_BYTES = 2**22
"""1024 layers take 2 MB. The library's own limit, 100 MB, lets the parser take 3 GiB."""


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a safetensors file says of itself: free metadata, and the shape of every tensor."""

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    end: int
    """Where the tensor bytes start."""


def is_safetensors(path: Path) -> bool:
    """Tell whether the file starts with eight bytes of header length and a JSON object."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and start[4:8] == bytes(4)


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """Read the header only.

    Raises:
        WeightsError: not a safetensors file, or its header is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise WeightsError(
                f"{path}: expected a safetensors file, found a header longer than the file or than "
                f"{MAX_HEADER_BYTES >> 20} MiB; it is damaged"
            )
        encoded = file.read(length)
    try:
        header = json.loads(encoded)
        metadata = header.pop("__metadata__", {})
        shapes = {name: tuple(tensor["shape"]) for name, tensor in header.items()}
        for name, shape in shapes.items():
            if not all(type(side) is int and 0 <= side <= size for side in shape):
                raise ValueError(f"tensor {name!r:.100} has a shape beyond the file: {shape!r:.100}")
        return SafetensorsHeader({str(key): str(value) for key, value in metadata.items()}, shapes, 8 + length)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: expected a safetensors file, found a damaged header ({error!s:.300})") from error
