"""What JPEG compression leaves in a picture: 8x8 blocks of quantised cosine coefficients (ITU-T T.81, annexes A and K).

Entropy coding loses nothing and is left out; colour is kept at full resolution (4:4:4).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8

# ITU-T T.81, tables K.1 and K.2.
LUMINANCE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMINANCE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""

# JFIF: RGB to Y, Cb, Cr.
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cosine basis (8, 8), quantisation tables (3, 8, 8), colour matrix and its inverse."""
    number = torch.arange(BLOCK, dtype=torch.float64)
    basis = torch.cos(math.pi / BLOCK * number[:, None] * (number + 0.5)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    rows = [[float(value) for value in table.split()] for table in (LUMINANCE, CHROMINANCE, CHROMINANCE)]
    colour = torch.tensor(TO_YCBCR, dtype=torch.float64)
    values = (basis, torch.tensor(rows).view(3, BLOCK, BLOCK), colour, torch.linalg.inv(colour))
    return tuple(value.float().to(device) for value in values)  # pyright: ignore[reportReturnType]


def compress(frames: Tensor, quality: Tensor, phase: tuple[int, int]) -> Tensor:
    """Quantise frames as JPEG does.

    Args:
        frames: `(B, 3, H, W)` RGB in 0..1.
        quality: `(B,)`, 1..100 as in libjpeg.
        phase: (row, column) of the first block's corner, 0..7; blocks that stick out are filled with the border.

    Returns:
        The same shape, not clamped.
    """
    basis, tables, colour, back = _constants(frames.device)
    height, width = frames.shape[2:]
    above, left = (-phase[0]) % BLOCK, (-phase[1]) % BLOCK
    below, right = -(above + height) % BLOCK, -(left + width) % BLOCK
    padded = F.pad(frames, (left, right, above, below), mode="replicate")
    planes = torch.einsum("dc,bchw->bdhw", colour, padded * 255 - 128)
    blocks = planes.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4)  # (B, 3, rows, columns, 8, 8)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None, None]
    steps = (tables * scale).round().clamp(1, 255)[:, :, None, None]
    quantised = (basis @ blocks @ basis.T / steps).round() * steps
    planes = (basis.T @ quantised @ basis).transpose(3, 4).flatten(4).flatten(2, 3)
    decoded = (torch.einsum("dc,bchw->bdhw", back, planes) + 128) / 255
    return decoded[:, :, above : above + height, left : left + width]
