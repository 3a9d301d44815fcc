"""NumPy `.npy`: one float array `(H, W, 2)`, u and v in pixels, NaN where the flow is unknown.

The header is parsed by numpy's own parser, which evaluates literals only, and held against the number of bytes that
are really there before an array is made. Objects are refused: nothing in such a file is ever unpickled.
"""

from __future__ import annotations

import io
import math
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import check_size

_HEADER_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


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
    """Read one array in NumPy's format (numpy.lib.format, versions 1 and 2) that fills the stream exactly.

    Args:
        stream: positioned at the start.
        size: the number of bytes that the stream holds.
        name: the file, for messages.

    Raises:
        FormatError: wrong magic or header, objects inside, too many pixels, or a size that does not match `size`.
    """
    try:
        version = npy_format.read_magic(stream)
        if version not in _HEADER_READERS:
            raise ValueError(f"version {version} is unknown")
        shape, fortran_order, dtype = _HEADER_READERS[version](stream)
    except (ValueError, EOFError, UnicodeDecodeError) as error:
        raise FormatError(f"{name}: expected an array in NumPy format: {str(error).splitlines()[0]}") from error
    if dtype.kind not in "fb":
        raise FormatError(f"{name}: expected an array of floats or booleans, found {dtype}; it is not loaded")
    if len(shape) < 2:
        raise FormatError(f"{name}: expected an array with height and width, found shape {shape}")
    check_size(name, shape[0], shape[1])
    count = math.prod(shape)
    expected = count * dtype.itemsize
    found = size - stream.tell()
    if found != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {dtype} {shape}, found {found}")
    data = stream.read(expected)
    if len(data) != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {dtype} {shape}, found {len(data)}")
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
