"""How the C library keeps memory that numpy, OpenCV and torch give back."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# Parameters of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for its next arrays; say whether the C library could be told.

    glibc gives arrays of more than some megabytes back to the system as soon as they are freed, and gets new pages,
    each filled with zeros, for the next one. An estimate makes hundreds of such arrays: on frames of 3840x2160 that
    took a tenth of the processor's time. The peak stays within 5 %; between estimates the process holds on to it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _MOST) and mallopt(_TRIM_THRESHOLD, _MOST))
