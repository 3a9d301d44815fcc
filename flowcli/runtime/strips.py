"""Strips of rows: what is made of a frame and thrown away would take many times its memory, and leave every cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

STRIP_PIXELS = 2**18
"""Pixels worked on at once."""

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
    height: int, width: int, halo: int = 0, *, pixels: int | None = None, multiple: int = 1
) -> Iterator[Strip]:
    """Cut frames into strips.

    Args:
        height: rows of a frame.
        width: pixels of a row, of all frames of a batch together.
        halo: rows around a strip that have an influence on it; a strip has as many at least.
        pixels: of a strip, about; None: STRIP_PIXELS.
        multiple: every strip but the last has a multiple of so many rows.
    """
    rows = (pixels or STRIP_PIXELS) // width
    if height * width > UNDIVIDED:
        rows = min(rows, -(-height // 2))
    rows = max(halo, rows // multiple * multiple, multiple)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        first, last = max(0, top - halo), min(height, bottom + halo)
        yield Strip(slice(top, bottom), slice(first, last), slice(top - first, bottom - first))
