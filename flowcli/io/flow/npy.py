"""NumPy `.npy`: one float array `(H, W, 2)`, u and v in pixels, NaN where the flow is unknown.

numpy.lib.format reads the header, and it is held against the number of bytes that are there before an array is made.
Nothing in such a file is ever unpickled.
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import MAX_PIXELS, check_size

_HEADER_LIMIT = 10_000  # bytes; numpy's own default
_HEADER_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
# What numpy, and Python's parser below it, raise for headers that are no dict of three known keys.
_DAMAGE = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError, tokenize.TokenError)


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
        stream: positioned at the start, which is its byte 0; seekable.
        size: the number of bytes that the stream holds.
        name: the file, for messages.

    Raises:
        FormatError: wrong magic or header, another kind of numbers, objects inside, too many pixels, or a size that
            does not match `size`.
    """
    prefix = stream.read(8)
    read_header = _HEADER_READERS.get((prefix[6], prefix[7])) if len(prefix) == 8 else None
    if prefix[:6] != npy_format.MAGIC_PREFIX or read_header is None:
        raise FormatError(f"{name}: expected an array in NumPy format, version 1 or 2, found {prefix!r}")
    # No more than this: a header may claim to be 4 GiB long, and a zip would unpack them.
    head = io.BytesIO(stream.read(4 + _HEADER_LIMIT))
    try:
        with warnings.catch_warnings():  # about headers of Python 2, and doubtful escapes in damaged ones
            warnings.simplefilter("ignore")
            shape, fortran, dtype = read_header(head, max_header_size=_HEADER_LIMIT)
    except _DAMAGE:
        raise FormatError(
            f"{name}: expected a NumPy header with descr, fortran_order and shape; it is cut or damaged"
        ) from None
    if dtype.kind not in "fb" or dtype.itemsize > 8:
        raise FormatError(f"{name}: expected an array of floats or booleans; nothing else is loaded")
    if not 2 <= len(shape) <= 4 or not all(0 <= side <= MAX_PIXELS for side in shape):
        raise FormatError(f"{name}: expected an array with height and width, found shape {shape!s:.60}")
    check_size(name, shape[0], shape[1])
    count = math.prod(shape)
    expected, found = count * dtype.itemsize, size - stream.seek(len(prefix) + head.tell())
    data = stream.read(expected) if found == expected else b""
    if count == 0 or len(data) != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {dtype} {shape}, found {found}")
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
