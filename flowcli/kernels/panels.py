"""Left operands of the kernels' matrix products, cut as `source/product.h` wants them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows of a panel that the kernels are compiled for, by their most.
CHOICES = {14: (14, 12, 11, 8), 6: (6, 5)}


class Panels(NamedTuple):
    """A matrix, or several, in panels of a few rows.

    Attributes:
        data: contiguous; float32 `(..., panels, K, rows)`, or bfloat16 `(..., panels, K/2, rows, 2)`, rounded up.
        rows: rows of a panel.
    """

    data: Tensor
    rows: int


def choose_rows(length: int, most: int) -> int:
    """Return how many rows the panels of a matrix of `length` rows have, where the kernels know at most `most`."""
    # Few padded rows, and few passes over the other operand.
    return min(CHOICES[most], key=lambda rows: math.ceil(length / rows) * (rows + 1))


def cut_panels(matrix: Tensor, most: int, operands: torch.dtype) -> Panels:
    """Cut float32 `(..., M, K)` into panels, with zeros where M or K does not come out even.

    Args:
        matrix: any strides.
        most: rows that a panel of the kernels may have, 14 or 6.
        operands: torch.float32 or torch.bfloat16.
    """
    length, depth = matrix.shape[-2:]
    rows = choose_rows(length, most)
    pack = 2 if operands == torch.bfloat16 else 1
    padded = F.pad(matrix, (0, -depth % pack, 0, -length % rows))
    parts = padded.unflatten(-2, (-1, rows))  # (..., panels, rows, K)
    if pack == 1:
        return Panels(parts.transpose(-1, -2).contiguous(), rows)
    pairs = parts.to(operands).unflatten(-1, (-1, 2))  # (..., panels, rows, K/2, 2)
    return Panels(pairs.transpose(-2, -3).contiguous(), rows)
