"""NumPy `.npy`: one float array `(H, W, 2)`, u and v in pixels, NaN where the flow is unknown.

That is what is written; `(2, H, W)`, as PyTorch has it, and axes of length 1 in front are read as well.

numpy.lib.format reads the header, and it is held against the number of bytes that are there before an array is made.
Nothing in such a file is ever unpickled.
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from flowcli.errors import FormatError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow.layout import ANY, ArrayChoice, find_layout
from flowcli.io.limits import MAX_PIXELS

_HEADER_LIMIT = 10_000  # bytes; numpy's own default
_PART_BYTES = 2**22
_HEADER_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
# What numpy, and Python's parser below it, raise for headers that are no dict of three known keys.
_DAMAGE = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError, tokenize.TokenError)


def encode_npy(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    buffer = io.BytesIO()
    np.save(buffer, field.uv.astype("<f4", copy=False), allow_pickle=False)
    return buffer.getvalue()


def decode_npy(data: bytes, name: str, choice: ArrayChoice = ANY) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`, UsageError if a key is asked for."""
    if choice.key is not None:
        raise UsageError(f"{name}: --key is for .npz, which holds several arrays; an .npy is one")
    return FlowField.taking(read_uv(io.BytesIO(data), len(data), name, choice))


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of an array says.

    Attributes:
        shape: 2 to 5 sides; their product times the size of a number is what follows the header.
        dtype: floats of at most 8 bytes, or booleans.
        fortran: whether the first index moves fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fortran: bool


def read_uv(stream: IO[bytes], size: int, name: str, choice: ArrayChoice = ANY) -> NDArray[np.float32]:
    """Read an array of flow that fills the stream exactly, as float32 `(H, W, 2)`; raises FormatError on any other.

    Args:
        stream: positioned at the start of the array's header.
        size: the number of bytes that the stream holds.
        name: the file, for messages.
        choice: the layout, where it has to be said.
    """
    header = read_array_header(stream, size, name)
    layout = find_layout(header.shape, header.dtype, choice, name)
    uv = np.empty((layout.height, layout.width, 2), np.float32)
    fill_floats(layout.view(uv), stream, header, name)
    return uv


def fill_floats(target: NDArray[np.float32], stream: IO[bytes], header: ArrayHeader, name: str) -> None:
    """Fill `target` as `fill_array` does, from floats of any size."""
    # A float64 beyond float32 becomes infinite, which means unknown; a signalling NaN is a NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        fill_array(target, stream, header, name)


def read_array_header(stream: IO[bytes], size: int, name: str) -> ArrayHeader:
    """Read the header of an array and hold it against the limits and the bytes that follow it.

    Raises:
        FormatError: wrong magic or header, another kind of numbers, objects inside, too many pixels, or a size that
            does not match `size`.
    """
    prefix = stream.read(8)
    read_header = _HEADER_READERS.get((prefix[6], prefix[7])) if len(prefix) == 8 else None
    if prefix[:6] != npy_format.MAGIC_PREFIX or read_header is None:
        raise FormatError(f"{name}: expected an array in NumPy format, version 1 or 2, found {prefix!r}")
    length_bytes = 2 if prefix[6] == 1 else 4
    length_field = stream.read(length_bytes)
    # No more than this: a header may claim to be 4 GiB long, and a zip would unpack them.
    text = stream.read(min(int.from_bytes(length_field, "little"), _HEADER_LIMIT + 1))
    try:
        with warnings.catch_warnings():  # about headers of Python 2, and doubtful escapes in damaged ones
            warnings.simplefilter("ignore")
            shape, fortran, dtype = read_header(io.BytesIO(length_field + text), max_header_size=_HEADER_LIMIT)
    except _DAMAGE:
        raise FormatError(
            f"{name}: expected a NumPy header with descr, fortran_order and shape; it is cut or damaged"
        ) from None
    if dtype.kind not in "fb" or dtype.itemsize > 8:
        raise FormatError(f"{name}: expected an array of floats or booleans; nothing else is loaded")
    if not 2 <= len(shape) <= 5 or not all(0 <= side <= MAX_PIXELS for side in shape):
        raise FormatError(f"{name}: expected an array with height and width, found shape {shape!s:.60}")
    if math.prod(shape) > 2 * MAX_PIXELS:
        raise FormatError(f"{name}: expected at most {MAX_PIXELS} pixels (8192x8192), its header says {shape!s:.60}")
    expected = math.prod(shape) * dtype.itemsize
    found = size - len(prefix) - len(length_field) - len(text)
    if expected and found != expected:
        raise FormatError(f"{name}: expected {expected} bytes for {dtype} {shape}, found {found}")
    return ArrayHeader(shape, dtype, fortran)


def fill_array(target: NDArray[np.generic], stream: IO[bytes], header: ArrayHeader, name: str) -> None:
    """Fill `target`, of the header's shape, with what follows the header, a part at a time: no second copy is held."""
    view = target.T if header.fortran else target
    # Lines of the last axis, which are consecutive in the stream.
    width = view.shape[-1]
    lines_at_once = max(1, _PART_BYTES // (width * header.dtype.itemsize))
    for index in np.ndindex(view.shape[:-2]):
        plane = view[index]
        for first in range(0, len(plane), lines_at_once):
            part = plane[first : first + lines_at_once]
            data = stream.read(part.size * header.dtype.itemsize)
            if len(data) != part.size * header.dtype.itemsize:
                raise FormatError(f"{name}: the array is cut short")
            part[...] = np.frombuffer(data, header.dtype).reshape(part.shape)
