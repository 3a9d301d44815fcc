"""Fill flow where frame 2 shows nothing: continue the motion of the surroundings.

What leaves the frame or is covered in frame 2 cannot be matched; whatever an estimator answers there is invented. But
scenes are made of surfaces, and the flow of a surface is nearly affine in the frame, so an affine motion fitted to the
trusted pixels around continues it better than any of their values does. The fit is least squares over windows of all
sizes at once: the sums of a fit (products of weight, position and flow) are averaged down a pyramid, solved at every
level, and a finer level's answer replaces a coarser one's as far as it has trusted pixels. That is the pull-push scheme
of Gortler et al. ("The Lumigraph", SIGGRAPH 1996, section 3.4), with affine models for values.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CELL = 4
"""Pixels per side of a cell of the finest level: a surface is never fitted from less than some of them."""

ENOUGH = 0.25
"""Share of trusted pixels in a cell's window from which a level's own fit is believed entirely."""

RIDGE = 0.1
"""Pull of the gradients towards those of the coarser level, in squared cells: enough for a window without an extent."""

BAND_PIXELS = 2**18
"""Pixels worked on at once, so that the temporaries stay small whatever the frame size."""

Array = NDArray[np.float64]


def fill_flow(uv: NDArray[np.float32], trusted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace what is not trusted by the continued motion of its surroundings.

    Args:
        uv: float32 `(H, W, 2)` in pixels; finite.
        trusted: bool `(H, W)`.

    Returns:
        float32 `(H, W, 2)`; the same values where trusted, or everywhere if all or no pixels are.
    """
    if trusted.all() or not trusted.any():
        return uv
    filled = uv.copy()
    _fill_in_place(filled, trusted)
    return filled


def fill_flows(flow: Tensor, trusted: Tensor) -> Tensor:
    """Do the same for a batch: float32 `(B, 2, H, W)` and bool `(B, 1, H, W)`, on any device."""
    filled = flow.cpu().clone(memory_format=torch.contiguous_format)
    for uv, known in zip(filled, trusted.cpu(), strict=True):
        # Views of the same memory.
        _fill_in_place(uv.permute(1, 2, 0).numpy(), known[0].numpy())
    return filled.to(flow.device)


def _fill_in_place(uv: NDArray[np.float32], trusted: NDArray[np.bool_]) -> None:
    if trusted.all() or not trusted.any():
        return
    model = _fit(_sums(uv, trusted))
    rows, columns = np.nonzero(~trusted)
    for first in range(0, len(rows), BAND_PIXELS):
        y, x = rows[first : first + BAND_PIXELS], columns[first : first + BAND_PIXELS]
        terms = _sample(model, (y + 0.5) / CELL - 0.5, (x + 0.5) / CELL - 0.5)
        uv[y, x] = (terms[0::3] + terms[1::3] * x + terms[2::3] * y).T


def _sums(uv: NDArray[np.float32], trusted: NDArray[np.bool_]) -> Array:
    """Means over each cell of w, wx, wy, wxx, wxy, wyy, then wu, wxu, wyu, then the same of v, w being 1 or 0."""
    height, width = trusted.shape
    sums = np.empty((12, -(-height // CELL), -(-width // CELL)))
    x = np.arange(width, dtype=np.float64)
    rows = CELL * max(1, BAND_PIXELS // (CELL * width))
    for top in range(0, height, rows):
        weight = trusted[top : top + rows].astype(np.float64)
        y = np.arange(top, top + len(weight), dtype=np.float64)[:, None]
        cells = np.s_[top // CELL : -(-(top + len(weight)) // CELL)]
        for index, factor in enumerate((1.0, x, y, x * x, x * y, y * y)):
            sums[index, cells] = _cells(weight * factor)
        for component in range(2):
            value = np.where(weight > 0, uv[top : top + rows, :, component], 0.0)
            for index, factor in enumerate((1.0, x, y)):
                sums[6 + 3 * component + index, cells] = _cells(value * factor)
    return sums


def _cells(plane: Array) -> Array:
    """Average the pixels of each cell; what is missing of the last ones counts as zeros."""
    below, right = -plane.shape[0] % CELL, -plane.shape[1] % CELL
    padded = cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0.0)
    size = (padded.shape[1] // CELL, padded.shape[0] // CELL)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float64)


def _halve(planes: Array) -> Array:
    """Average 2x2 neighbours of `(N, rows, columns)`; an odd row or column counts with zeros beside it."""
    below, right = planes.shape[1] % 2, planes.shape[2] % 2
    if below or right:
        planes = np.pad(planes, ((0, 0), (0, below), (0, right)))
    columns = planes[:, :, ::2] + planes[:, :, 1::2]
    return (columns[:, ::2] + columns[:, 1::2]) / 4


def _fit(sums: Array, cell: float = CELL) -> Array:
    """Solve this level and all coarser ones: `(6, rows, columns)`: constant, d/dx and d/dy of u, then of v."""
    rows, columns = sums.shape[1:]
    windowed = np.stack([cv2.GaussianBlur(plane, (5, 5), 1.2, borderType=cv2.BORDER_CONSTANT) for plane in sums])
    weight = windowed[0]
    coarsest = max(rows, columns) <= 2
    if coarsest:
        coarser = np.zeros((6, rows, columns))
    else:
        y, x = np.meshgrid(np.arange(rows) / 2 - 0.25, np.arange(columns) / 2 - 0.25, indexing="ij")
        coarser = _sample(_fit(_halve(sums), cell * 2), y, x)
    windowed[1:] /= np.maximum(weight, 1e-9)
    mean_x, mean_y = windowed[1], windowed[2]
    ridge = RIDGE * cell * cell
    xx = windowed[3] - mean_x**2 + ridge
    xy = windowed[4] - mean_x * mean_y
    yy = windowed[5] - mean_y**2 + ridge
    determinant = np.maximum(xx * yy - xy**2, 1e-9)
    model = np.empty((6, rows, columns))
    for first in (0, 3):
        mean, value_x, value_y = windowed[6 + first : 9 + first]
        # The gradient is pulled towards the coarser level's, which more pixels speak for.
        with_x = value_x - mean * mean_x + ridge * coarser[first + 1]
        with_y = value_y - mean * mean_y + ridge * coarser[first + 2]
        along_x = (with_x * yy - with_y * xy) / determinant
        along_y = (with_y * xx - with_x * xy) / determinant
        model[first : first + 3] = mean - along_x * mean_x - along_y * mean_y, along_x, along_y
    if not coarsest:
        model = coarser + np.minimum(weight / ENOUGH, 1) * (model - coarser)
    return model


def _sample(planes: Array, y: Array, x: Array) -> Array:
    """Interpolate `(N, rows, columns)` bilinearly at positions in cells; the border is extended outwards."""
    height, width = planes.shape[1:]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.minimum(y.astype(np.intp), max(height - 2, 0)), np.minimum(x.astype(np.intp), max(width - 2, 0))
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = planes[:, top, left] * (1 - fx) + planes[:, top, right] * fx
    lower = planes[:, below, left] * (1 - fx) + planes[:, below, right] * fx
    return upper * (1 - fy) + lower * fy
