"""Memory of the process: what it holds, and how the C library keeps what numpy, OpenCV and torch give back."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

# Parameters of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
LARGEST = 2**26
"""Bytes: what is larger still goes back at once, because holes of that size would add to the peak."""

SMALLEST = 2**23
"""The same for a process with a ceiling: planes of large frames go back at once, arrays of a strip stay."""

LARGE_FRAME = 2**21
"""Pixels of a frame from which on freed memory goes back to the system between the steps of an estimate."""

_LARGE_UNDER_CEILING = 2**18


class _Policy:
    """What this process does with memory that is free."""

    large_frame = LARGE_FRAME


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


@cache
def spare_memory() -> bool:
    """Let this process hold little more than what is in use, for a ceiling; say whether the C library could be told.

    All threads share one heap: each with a heap of its own would keep the holes of its largest arrays. Call it before
    there are threads.
    """
    _Policy.large_frame = _LARGE_UNDER_CEILING
    if (library := _load_glibc()) is None:
        return False
    mallopt = library.mallopt
    told = [mallopt(_ARENA_MAX, 1), mallopt(_MMAP_THRESHOLD, SMALLEST), mallopt(_TRIM_THRESHOLD, LARGEST)]
    return all(told)


def return_freed_memory(size: tuple[int, int]) -> bool:
    """Give the system back what is free, after a step on large frames: the next one needs arrays of other sizes.

    Args:
        size: (height, width) of the frames.

    Returns:
        Whether there was any, and a C library to be told.
    """
    return size[0] * size[1] > _Policy.large_frame and trim_memory()


def trim_memory() -> bool:
    """Give the system back every free page, also those between arrays in use; say whether there was any to give."""
    library = _load_glibc()
    return library is not None and bool(library.malloc_trim(0))


def resident_memory() -> int | None:
    """Return the bytes of this process that are in memory now, its libraries' included; None where none can tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    import mmap

    return pages * mmap.PAGESIZE


@cache
def _load_glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
