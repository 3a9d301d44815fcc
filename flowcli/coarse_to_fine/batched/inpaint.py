"""Affine inpainting as batched torch operations: the pull-push scheme of `coarse_to_fine/inpaint.py`.

The models of the cells are in float64, as they are there: they count positions from the frame's first pixel, and a
variance is the small difference of two large numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import INPAINT
from flowcli.runtime.strips import cut_strips

PIXELS = 2**22
"""Pixels of a batch continued at once: six numbers of float64 each, and as many again on the way there; 0.5 GB."""

BLUR = 1.2
"""Standard deviation, in cells, of the window around a cell."""

BLUR_REACH = 2
"""Cells to each side of it."""


def inpaint(flow: Tensor, known: Tensor, cell: int) -> Tensor:
    """Replace what is not known by the continued motion of its surroundings.

    Args:
        flow: float32 `(B, 2, H, W)` in pixels, finite; not changed.
        known: bool `(B, 1, H, W)`.
        cell: side of a cell in pixels.

    Returns:
        float32 `(B, 2, H, W)`; the same values where known, or everywhere if no pixels are.
    """
    table = _fit(_sums(flow, known, cell), cell)
    height, width = known.shape[2:]
    kept = known | ~known.flatten(1).any(dim=1).view(-1, 1, 1, 1)
    y, x = (torch.arange(side, device=flow.device, dtype=table.dtype) for side in (height, width))
    left, right, across = _neighbours(x, cell, table.shape[3])
    inpainted = torch.empty_like(flow)
    for rows, *_ in cut_strips(height, width * len(flow), pixels=PIXELS, device=flow.device.type):
        above, below, down = _neighbours(y[rows], cell, table.shape[2])
        models = torch.lerp(table[:, :, above], table[:, :, below], down[:, None])
        models = torch.lerp(models[..., left], models[..., right], across)
        u, u_x, u_y, v, v_x, v_y = models.unbind(1)
        place = y[rows, None]
        continued = torch.stack((u + u_x * x + u_y * place, v + v_x * x + v_y * place), dim=1)
        inpainted[:, :, rows] = torch.where(kept[:, :, rows], flow[:, :, rows], continued.to(flow.dtype))
    return inpainted


def _neighbours(place: Tensor, cell: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cells at both sides of pixels along an axis of `count` cells, and the share of the second."""
    position = ((place + 0.5) / cell - 0.5).clamp_(0, count - 1)
    first = position.long()
    return first, (first + 1).clamp_(max=count - 1), position - first


def _sums(flow: Tensor, known: Tensor, cell: int) -> Tensor:
    """Means over each cell of w, wx, wy, wxx, wxy, wyy, then wu, wxu, wyu, then the same of v; w is `known`.

    Returns:
        float64 `(B, 12, rows, columns)`.
    """
    height, width = known.shape[2:]
    rows, columns = -(-height // cell), -(-width // cell)
    # What is missing of the last cells counts as zeros.
    border = (0, columns * cell - width, 0, rows * cell - height)
    weight = F.pad(known.float(), border)
    values = F.pad(torch.where(known, flow, 0.0), border)

    # From the centre of each cell first: single precision is enough there. Pooling, because a GPU's convolutions may
    # round their operands to TF32. Each axis weighs with powers of the offset from the centre.
    def pool(planes: Tensor, axis: int, power: int) -> Tensor:
        if power:
            offset = torch.arange(cell, device=flow.device, dtype=flow.dtype) - (cell - 1) / 2
            offset = offset.pow_(power).repeat(planes.shape[axis] // cell)
            planes = planes * (offset if axis == 3 else offset[:, None])
        return F.avg_pool2d(planes, (1, cell) if axis == 3 else (cell, 1))

    across = [pool(weight, 3, power) for power in range(3)]
    w, wy, wyy = (pool(across[0], 2, power) for power in range(3))
    wx, wxy = (pool(across[1], 2, power) for power in range(2))
    wxx = pool(across[2], 2, 0)
    across = [pool(values, 3, power) for power in range(2)]
    value, value_y = (pool(across[0], 2, power) for power in range(2))
    value_x = pool(across[1], 2, 0)
    w, wx, wy, wxx, wxy, wyy, value, value_x, value_y = (
        plane.double() for plane in (w, wx, wy, wxx, wxy, wyy, value, value_x, value_y)
    )

    # Then from the frame's first pixel.
    y, x = (
        (torch.arange(count, device=flow.device, dtype=torch.float64) + 0.5) * cell - 0.5 for count in (rows, columns)
    )
    y = y[:, None]
    moments = [w, wx + x * w, wy + y * w]
    moments += [wxx + 2 * x * wx + x * x * w, wxy + x * wy + y * wx + x * y * w, wyy + 2 * y * wy + y * y * w]
    moved = torch.stack((value, value_x + x * value, value_y + y * value), dim=2)  # (B, 2, 3, rows, columns)
    return torch.cat((*moments, moved.flatten(1, 2)), dim=1)


def _fit(sums: Tensor, cell: int) -> Tensor:
    """Solve this level and all coarser ones; see `coarse_to_fine.inpaint`.

    Args:
        sums: float64 `(B, 12, rows, columns)`.
        cell: side of a cell in pixels.

    Returns:
        float64 `(B, 6, rows, columns)`: constant, d/dx and d/dy of u, then of v.
    """
    rows, columns = sums.shape[2:]
    coarsest = max(rows, columns) <= 2
    if coarsest:
        coarser = sums.new_zeros(len(sums), 6, rows, columns)
    else:
        halved = F.avg_pool2d(F.pad(sums, (0, columns % 2, 0, rows % 2)), 2)
        coarser = F.interpolate(_fit(halved, cell * 2), scale_factor=2, mode="bilinear")[:, :, :rows, :columns]
    windowed = _blur(sums)
    weight = windowed[:, :1]
    windowed = windowed / weight.clamp(min=1e-9)
    _, x, y, xx, xy, yy, *moved = windowed.split(1, dim=1)
    ridge = INPAINT.ridge * cell * cell
    xx = xx - x * x + ridge
    xy = xy - x * y
    yy = yy - y * y + ridge
    determinant = (xx * yy - xy * xy).clamp_(min=1e-9)
    model: list[Tensor] = []
    for first in (0, 3):
        mean, with_x, with_y = moved[first : first + 3]
        # The gradient is pulled towards the coarser level's, which more pixels speak for.
        with_x = with_x - mean * x + ridge * coarser[:, first + 1, None]
        with_y = with_y - mean * y + ridge * coarser[:, first + 2, None]
        along_x = (with_x * yy - with_y * xy) / determinant
        along_y = (with_y * xx - with_x * xy) / determinant
        model += [mean - along_x * x - along_y * y, along_x, along_y]
    fitted = torch.cat(model, dim=1)
    if coarsest:
        return fitted
    return torch.lerp(coarser, fitted, (weight / INPAINT.enough).clamp_(max=1).expand_as(fitted))


def _blur(planes: Tensor) -> Tensor:
    """Blur `(B, N, rows, columns)` with a Gaussian of 5x5 cells; zeros beyond the border."""
    weights = [math.exp(-0.5 * (step / BLUR) ** 2) for step in range(-BLUR_REACH, BLUR_REACH + 1)]
    for axis in (2, 3):
        border = (BLUR_REACH, BLUR_REACH) if axis == 3 else (0, 0, BLUR_REACH, BLUR_REACH)
        padded, count = F.pad(planes, border), planes.shape[axis]
        planes = torch.zeros_like(planes)
        for first, weight in enumerate(weights):
            planes.add_(padded.narrow(axis, first, count), alpha=weight / sum(weights))
    return planes
