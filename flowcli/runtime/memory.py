"""Memory of the process: how the C library keeps what numpy, OpenCV and torch give back."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# Parameters of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGEST = 2**26
"""Bytes: what is larger still goes back at once, because holes of that size would add to the peak."""

LARGE_FRAME = 2**21
"""Pixels of a frame from which on freed memory goes back to the system between the steps of an estimate."""


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for its next arrays; say whether the C library could be told.

    glibc gives arrays of more than some megabytes back to the system as soon as they are freed, and gets new pages,
    each filled with zeros, for the next one. An estimate makes hundreds of such arrays: on frames of 3840x2160 that
    took a tenth of the processor's time (`flowcli bench --size 3840x2160` with this call and without). In exchange the
    process holds on to its memory between estimates.
    """
    if (library := _load_glibc()) is None:
        return False
    mallopt = library.mallopt
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def return_freed_memory(size: tuple[int, int]) -> bool:
    """Give the system back what is free, after a step on large frames: the next one needs arrays of other sizes.

    Args:
        size: (height, width) of the frames.

    Returns:
        Whether there was any, and a C library to be told.
    """
    if size[0] * size[1] <= LARGE_FRAME or (library := _load_glibc()) is None:
        return False
    return bool(library.malloc_trim(0))


@cache
def _load_glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
