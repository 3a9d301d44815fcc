"""Middlebury `.flo` (Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011).

Little-endian throughout: bytes 0-3 "PIEH" (the float32 202021.25), 4-7 int32 width, 8-11 int32 height, then float32
u, v interleaved, row by row from the top. A component beyond 1e9 marks an unknown pixel; we write 1e10.
"""

from __future__ import annotations

import struct

import numpy as np

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import check_size

MAGIC = b"PIEH"
UNKNOWN = np.float32(1e10)
# The reference reader refuses sides of 100000 pixels and more.
MAX_SIDE = 99999


def encode_flo(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    height, width = field.size
    uv = field.uv if field.valid is None else np.where(field.valid[..., None], field.uv, UNKNOWN)
    return MAGIC + struct.pack("<ii", width, height) + uv.astype("<f4", copy=False).tobytes()


def decode_flo(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    if data[:4] != MAGIC:
        raise FormatError(f"{name}: expected a .flo file starting with PIEH, found {data[:4]!r}")
    if len(data) < 12:
        raise FormatError(f"{name}: .flo file is cut short: expected a header of 12 bytes, found {len(data)}")
    width, height = struct.unpack_from("<ii", data, 4)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise FormatError(f"{name}: expected sides of 1 to {MAX_SIDE} pixels, the header says {width}x{height}")
    check_size(name, height, width)
    expected = 12 + 8 * width * height
    if len(data) != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {width}x{height} pixels, found {len(data)}")
    uv = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    return FlowField.taking(uv.astype(np.float32))
