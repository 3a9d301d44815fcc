"""Bands of rows: what is made of a frame and thrown away would take many times its memory, and leave every cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BAND_PIXELS = 2**18
"""Pixels worked on at once."""

UNDIVIDED = 2**15
"""Fewer pixels are one band; more are two at least, for as many threads."""


class Band(NamedTuple):
    """Some rows of a frame.

    Attributes:
        rows: the rows that the band is about.
        around: these rows and those around them that have an influence.
        inner: the first within the second.
    """

    rows: slice
    around: slice
    inner: slice


def cut_bands(height: int, width: int, halo: int) -> Iterator[Band]:
    """Cut frames into bands.

    Args:
        height: rows of a frame.
        width: pixels of a row, of all frames of a batch together.
        halo: rows around a band that have an influence on it; a band has as many at least.
    """
    rows = BAND_PIXELS // width
    if height * width > UNDIVIDED:
        rows = min(rows, -(-height // 2))
    rows = max(halo, rows)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        first, last = max(0, top - halo), min(height, bottom + halo)
        yield Band(slice(top, bottom), slice(first, last), slice(top - first, bottom - first))
