"""Overlapping windows over a frame of any size, and the weights that blend them.

Two grids. "even" spreads the fewest tiles with at least the asked overlap over each axis. "published" is DeepMind's
(perceiver/colabs/optical_flow.ipynb): multiples of tile - overlap, the last one moved back to end flush with the
frame; where that leaves the frame or repeats a tile (as at 1920 or 368 pixels) the axis is spread evenly instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Grid = Literal["even", "published"]


@dataclass(frozen=True)
class TileGrid:
    """Where the tiles of one frame size lie; all sizes are (height, width) in pixels.

    A frame smaller than a tile is to be padded to `padded` (at the bottom and right) before it is cut.

    Attributes:
        frame: size of the frame.
        tile: size of every tile.
        overlap: least overlap of neighbouring tiles.
        grid: "even" or "published".

    Raises:
        ValueError: unless sizes are positive and the overlap is from 0 to less than both sides of a tile.
    """

    frame: tuple[int, int]
    tile: tuple[int, int]
    overlap: int
    grid: Grid = "even"

    def __post_init__(self) -> None:
        if min(*self.frame, *self.tile) < 1:
            raise ValueError(f"expected sizes of at least one pixel, got frame {self.frame} and tile {self.tile}")
        if not 0 <= self.overlap < min(self.tile):
            raise ValueError(f"expected an overlap from 0 to {min(self.tile) - 1} pixels, got {self.overlap}")

    @property
    def padded(self) -> tuple[int, int]:
        """Size of the frame after padding: at least one tile."""
        return max(self.frame[0], self.tile[0]), max(self.frame[1], self.tile[1])

    @property
    def rows(self) -> list[int]:
        """First row of each row of tiles, increasing."""
        return _offsets(self.padded[0], self.tile[0], self.overlap, self.grid)

    @property
    def columns(self) -> list[int]:
        """First column of each column of tiles, increasing."""
        return _offsets(self.padded[1], self.tile[1], self.overlap, self.grid)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """(row, column) of the first pixel of every tile, row by row."""
        columns = self.columns
        return [(row, column) for row in self.rows for column in columns]


def _offsets(length: int, tile: int, overlap: int, grid: Grid) -> list[int]:
    if grid == "published":
        offsets = [*range(0, length, tile - overlap)]
        offsets[-1] = length - tile
        if offsets[0] == 0 and all(a < b for a, b in pairwise(offsets)):
            return offsets
    count = math.ceil((length - overlap) / (tile - overlap))
    # Integer rounding: neighbours are never further apart than tile - overlap, because the exact spacing is not.
    return [i * (length - tile) // (count - 1) for i in range(count)] if count > 1 else [0]


def blend_weights(tile: tuple[int, int], cap: int | None = None) -> NDArray[np.float32]:
    """Return a tile's blending weights: the distance to its nearest border, `min(x+1, W-x, y+1, H-y)`.

    Args:
        tile: (H, W).
        cap: largest weight; a plateau in the middle keeps the seams within the overlap. None: the published pyramid.

    Returns:
        float32 `(H, W)`, at least 1 everywhere.
    """
    height, width = tile
    row = np.minimum(np.arange(1, height + 1), np.arange(height, 0, -1))
    column = np.minimum(np.arange(1, width + 1), np.arange(width, 0, -1))
    weights = np.minimum(row[:, None], column[None, :])
    return (weights if cap is None else np.minimum(weights, max(1, cap))).astype(np.float32)
