"""Position encodings split into what depends on the row and what depends on the column."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class SeparablePositions(NamedTuple):
    """The positions of a tile's pixels as two tables.

    Attributes:
        rows: float64 `(H, R)`: the channels that depend on the row alone.
        columns: float64 `(W, S)`: the other channels, which depend on the column alone.
        row_channels: indices of the R channels among the R + S of a position.
        column_channels: indices of the S channels.
    """

    rows: Tensor
    columns: Tensor
    row_channels: Tensor
    column_channels: Tensor

    def split(self, form: Tensor, features: int) -> tuple[Tensor, Tensor, Tensor]:
        """Split linear forms of a pixel, see point 1 of `folded`.

        Args:
            form: float64 `(..., C)`, C = features + positions, in the order of the reference.
            features: how many of the channels are features.

        Returns:
            The forms' feature part `(..., features)`, their values for all rows `(..., H)` and all columns `(..., W)`.
        """
        position = form[..., features:]
        rows = position[..., self.row_channels] @ self.rows.T
        columns = position[..., self.column_channels] @ self.columns.T
        return form[..., :features], rows, columns

    def order(self, features: int) -> Tensor:
        """Return the permutation of a pixel's channels that puts features first, then rows', then columns' channels."""
        return torch.cat((torch.arange(features), features + self.row_channels, features + self.column_channels))


def split_positions(positions: Tensor, tile: tuple[int, int]) -> SeparablePositions:
    """Split position encodings `(H*W, P)` of a tile.

    Raises:
        ValueError: if a channel depends on both row and column.
    """
    grid = positions.detach().cpu().double().unflatten(0, tile)  # (H, W, P)
    by_row = (grid == grid[:, :1]).all(dim=1).all(dim=0)
    by_column = (grid == grid[:1]).all(dim=0).all(dim=0)
    if not (by_row | by_column).all():
        channel = int((~(by_row | by_column)).nonzero()[0])
        raise ValueError(f"expected positions of separate rows and columns, got channel {channel} that mixes them")
    row_channels, column_channels = by_row.nonzero()[:, 0], (~by_row).nonzero()[:, 0]
    return SeparablePositions(grid[:, 0][:, row_channels], grid[0][:, column_channels], row_channels, column_channels)
