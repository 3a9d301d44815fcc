"""How much an input file may ask of us, and the one way its bytes are read.

A header is only a promise. No reader here allocates by one before it has been held against these limits and against
the bytes that are really there, so that a damaged or hostile file costs one line of text and not the machine's memory.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import cast

from flowcli.errors import FormatError, InputError

# Twice 8K UHD (7680 x 4320): 512 MiB as float32 flow, 192 MiB as a frame.
MAX_PIXELS = 2**26

# The largest encoding of MAX_PIXELS that we read: float64 .npy, 16 bytes per pixel, with room for a header.
MAX_FILE_BYTES = 16 * MAX_PIXELS + 2**20

# What reading one file may hold beside its bytes, its samples as stored and the frame or flow made from them: 256 MiB,
# less what Python, NumPy, OpenCV and FFmpeg's libraries take by being loaded.
SPARE_BYTES = 2**27


def check_size(name: str, height: int, width: int) -> None:
    """Raise FormatError unless an image of `height` x `width` pixels is neither empty nor beyond MAX_PIXELS.

    Args:
        name: the file, for the message.
        height: in pixels, as the header says.
        width: in pixels, as the header says.
    """
    if height < 1 or width < 1:
        raise FormatError(f"{name}: expected at least one pixel, its header says {width}x{height}")
    if height * width > MAX_PIXELS:
        raise FormatError(
            f"{name}: expected at most {MAX_PIXELS} pixels (8192x8192), its header says {width}x{height}; "
            "cut or shrink it first"
        )


def check_decoding(name: str, needed: int, kept: int) -> None:
    """Raise FormatError if a decoder would hold much more than what comes out of it.

    Args:
        name: the file, for the message.
        needed: bytes that the decoder will hold at once, as the header says.
        kept: bytes of the samples and the frame, or of the flow, that come out of it.
    """
    if needed > kept + SPARE_BYTES:
        raise FormatError(
            f"{name}: expected a file that can be decoded in {(kept + SPARE_BYTES) >> 20} MiB, by its header it takes "
            f"{needed >> 20}; save it in another format, with fewer channels or in smaller parts"
        )


def map_bytes(path: str | Path) -> bytes:
    """Return the content of a file of any size without reading it: bytes come into memory as they are asked for.

    Raises:
        InputError: the file is missing, a folder or unreadable.
    """
    try:
        with Path(path).open("rb") as file:
            return cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def read_bytes(path: str | Path) -> bytes:
    """Return the whole content of a file.

    Raises:
        InputError: the file is missing, a folder, unreadable or larger than MAX_FILE_BYTES.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= MAX_FILE_BYTES:
                # One byte more than allowed tells a file that grows or a device without a size from one that fits.
                data = file.read(MAX_FILE_BYTES + 1) if size == 0 else file.read(size + 1)
            else:
                data = b""
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a file, found a folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if size > MAX_FILE_BYTES or len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path}: expected at most {MAX_FILE_BYTES >> 20} MiB, found more; is it the right file?")
    return data
