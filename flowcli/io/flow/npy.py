"""NumPy `.npy`: one float array `(H, W, 2)`, u and v in pixels, NaN where the flow is unknown.

The layout is that of numpy.lib.format: magic, version, header length, a header that looks like a Python dict, values.
Here the header is searched, not evaluated, and held against the number of bytes that are there before an array is made.
Nothing in such a file is ever unpickled.
"""

from __future__ import annotations

import io
import math
import re
from typing import IO

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import MAX_PIXELS, check_size

_HEADER_LIMIT = 10_000
_KIND = re.compile(rb"'descr':\s*'([<>|=]?(?:f[248]|b1))'")
_ORDER = re.compile(rb"'fortran_order':\s*(True|False)")
_SHAPE = re.compile(rb"'shape':\s*\(([\d, ]{0,99})\)")


def encode_npy(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    buffer = io.BytesIO()
    np.save(buffer, field.uv.astype("<f4", copy=False), allow_pickle=False)
    return buffer.getvalue()


def decode_npy(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    return FlowField.with_unknown(as_uv(read_array(io.BytesIO(data), len(data), name), name))


def as_uv(array: NDArray[np.generic], name: str) -> NDArray[np.float32]:
    """Return `array` as float32 `(H, W, 2)`; raises FormatError on any other layout."""
    if array.ndim != 3 or array.shape[2] != 2 or array.dtype.kind != "f":
        raise FormatError(
            f"{name}: expected flow as floats of shape (height, width, 2), found {array.dtype} {array.shape}"
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which means unknown
        return np.ascontiguousarray(array, np.float32)


def read_array(stream: IO[bytes], size: int, name: str) -> NDArray[np.generic]:
    """Read one array of floats or booleans that fills the stream exactly.

    Args:
        stream: positioned at the start.
        size: the number of bytes that the stream holds.
        name: the file, for messages.

    Raises:
        FormatError: wrong magic or header, another kind of numbers, objects inside, too many pixels, or a size that
            does not match `size`.
    """
    prefix = stream.read(8)
    length_bytes = {b"\1\0": 2, b"\2\0": 4}.get(prefix[6:])
    if prefix[:6] != b"\x93NUMPY" or length_bytes is None:
        raise FormatError(f"{name}: expected an array in NumPy format, version 1 or 2, found {prefix!r}")
    header_length = int.from_bytes(stream.read(length_bytes), "little")
    header = stream.read(min(header_length, _HEADER_LIMIT))
    kind, order, sides = (pattern.search(header) for pattern in (_KIND, _ORDER, _SHAPE))
    if len(header) != header_length or order is None or sides is None:
        raise FormatError(f"{name}: expected a NumPy header with descr, fortran_order and shape; it is cut or damaged")
    if kind is None:
        raise FormatError(f"{name}: expected an array of floats or booleans; nothing else is loaded")
    dtype = np.dtype(kind[1].decode())
    shape = tuple(int(side) for side in sides[1].decode().replace(",", " ").split())
    if not 2 <= len(shape) <= 4 or max(shape) > MAX_PIXELS:
        raise FormatError(f"{name}: expected an array with height and width, found shape ({sides[1].decode():.60})")
    check_size(name, shape[0], shape[1])
    count = math.prod(shape)
    expected, found = count * dtype.itemsize, size - stream.tell()
    data = stream.read(expected) if found == expected else b""
    if count == 0 or len(data) != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {dtype} {shape}, found {found}")
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).T if order[1] == b"True" else array.reshape(shape)
