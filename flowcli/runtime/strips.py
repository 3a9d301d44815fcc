"""Strips of rows: what is made of a frame and thrown away would take many times its memory, and leave every cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

STRIP_PIXELS = 2**18
"""Pixels worked on at once."""

DEVICE_PIXELS = 2**22
"""The same elsewhere than on a CPU: there a step costs as much for few pixels; some 100 bytes are held of each."""

UNDIVIDED = 2**15
"""Fewer pixels are one strip; more are two at least, for as many threads."""


class Strip(NamedTuple):
    """Some rows of a frame.

    Attributes:
        rows: the rows that the strip is about.
        around: these rows and those around them that have an influence (the halo).
        inner: the first within the second.
    """

    rows: slice
    around: slice
    inner: slice


def cut_strips(
    height: int, width: int, halo: int = 0, *, pixels: int | None = None, multiple: int = 1, device: str = "cpu"
) -> Iterator[Strip]:
    """Cut frames into strips.

    Args:
        height: rows of a frame.
        width: pixels of a row, of all frames of a batch together.
        halo: rows around a strip that have an influence on it; a strip has as many at least.
        pixels: of a strip, about; None: what suits the device.
        multiple: every strip but the last has a multiple of so many rows.
        device: type of the device that works on them.
    """
    on_cpu = device == "cpu"
    rows = (pixels or (STRIP_PIXELS if on_cpu else DEVICE_PIXELS)) // width
    if on_cpu and height * width > UNDIVIDED:
        rows = min(rows, -(-height // 2))
    rows = max(halo, rows // multiple * multiple, multiple)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        first, last = max(0, top - halo), min(height, bottom + halo)
        yield Strip(slice(top, bottom), slice(first, last), slice(top - first, bottom - first))
