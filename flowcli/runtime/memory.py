"""How the C library keeps memory that numpy, OpenCV and torch give back."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# Parameters of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
LARGEST = 2**26
"""Bytes: what is larger still goes back at once, because holes of that size would add to the peak."""


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


def return_freed_memory() -> bool:
    """Give the system back what is free by now; say whether there was any, and a C library to be told."""
    library = _load_glibc()
    return bool(library and library.malloc_trim(0))


@cache
def _load_glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
