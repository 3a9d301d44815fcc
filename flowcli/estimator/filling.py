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

RIDGE = 1.0
"""Pull of the gradients towards those of the coarser level, in squared cells."""

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
    model = _fit(_sums(uv, trusted))
    rows, columns = np.nonzero(~trusted)
    filled = uv.copy()
    for first in range(0, len(rows), 2**20):  # a band of pixels at a time keeps the temporaries small
        y, x = rows[first : first + 2**20], columns[first : first + 2**20]
        terms = [_sample(plane, (y + 0.5) / CELL - 0.5, (x + 0.5) / CELL - 0.5) for plane in model]
        for component in range(2):
            constant, along_x, along_y = terms[3 * component : 3 * component + 3]
            filled[y, x, component] = constant + along_x * x + along_y * y
    return filled


def fill_flows(flow: Tensor, trusted: Tensor) -> Tensor:
    """Do the same for a batch: float32 `(B, 2, H, W)` and bool `(B, 1, H, W)`, on any device."""
    filled = [
        fill_flow(uv.permute(1, 2, 0).cpu().numpy(), known[0].cpu().numpy())
        for uv, known in zip(flow, trusted, strict=True)
    ]
    return torch.stack([torch.from_numpy(uv).permute(2, 0, 1) for uv in filled]).contiguous().to(flow.device)


def _sums(uv: NDArray[np.float32], trusted: NDArray[np.bool_]) -> list[Array]:
    """Means over each cell of w, wx, wy, wxx, wxy, wyy, then wu, wxu, wyu, then the same of v, w being 1 or 0."""
    height, width = trusted.shape
    padding = ((0, -height % CELL), (0, -width % CELL))
    weight = np.pad(trusted.astype(np.float64), padding)
    x = np.arange(weight.shape[1], dtype=np.float64)
    y = np.arange(weight.shape[0], dtype=np.float64)[:, None]
    u, v = (np.pad(np.where(trusted, uv[..., c], 0).astype(np.float64), padding) for c in (0, 1))
    planes = [weight, weight * x, weight * y, weight * (x * x), weight * (x * y), weight * (y * y)]
    for value in (u, v):
        planes += [value, value * x, value * y]
    return [_halve(_halve(plane)) for plane in planes]


def _halve(plane: Array) -> Array:
    """Average 2x2 neighbours; an odd row or column counts with zeros beside it."""
    plane = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)))
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def _fit(sums: list[Array], cell: float = CELL) -> list[Array]:
    """Solve this level and all coarser ones; six planes: constant, d/dx and d/dy of u, then of v."""
    windowed = [cv2.GaussianBlur(plane, (5, 5), 1.2, borderType=cv2.BORDER_CONSTANT) for plane in sums]
    weight = windowed[0]
    coarser = [np.zeros_like(weight)] * 6
    if max(weight.shape) > 2:
        rows = (np.arange(weight.shape[0]) + 0.5) / 2 - 0.5
        columns = (np.arange(weight.shape[1]) + 0.5) / 2 - 0.5
        grid_y, grid_x = np.meshgrid(rows, columns, indexing="ij")
        coarser = [_sample(plane, grid_y, grid_x) for plane in _fit([_halve(plane) for plane in sums], cell * 2)]
    known = np.maximum(weight, 1e-9)
    mean_x, mean_y = windowed[1] / known, windowed[2] / known
    ridge = RIDGE * cell * cell
    xx = windowed[3] / known - mean_x**2 + ridge
    xy = windowed[4] / known - mean_x * mean_y
    yy = windowed[5] / known - mean_y**2 + ridge
    determinant = np.maximum(xx * yy - xy**2, 1e-9)
    believed = np.minimum(weight / ENOUGH, 1) if max(weight.shape) > 2 else 1.0
    model: list[Array] = []
    for first, above in ((6, coarser[:3]), (9, coarser[3:])):
        mean, value_x, value_y = (plane / known for plane in windowed[first : first + 3])
        # The gradient is pulled towards the coarser level's, which more pixels speak for.
        with_x = value_x - mean * mean_x + ridge * above[1]
        with_y = value_y - mean * mean_y + ridge * above[2]
        along_x = (with_x * yy - with_y * xy) / determinant
        along_y = (with_y * xx - with_x * xy) / determinant
        own = (mean - along_x * mean_x - along_y * mean_y, along_x, along_y)
        model += [believed * fine + (1 - believed) * coarse for fine, coarse in zip(own, above, strict=True)]
    return model


def _sample(plane: Array, y: Array, x: Array) -> Array:
    """Interpolate bilinearly at positions in cells; the border is extended outwards."""
    height, width = plane.shape
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.minimum(y.astype(np.intp), max(height - 2, 0)), np.minimum(x.astype(np.intp), max(width - 2, 0))
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = plane[top, left] * (1 - fx) + plane[top, right] * fx
    lower = plane[below, left] * (1 - fx) + plane[below, right] * fx
    return upper * (1 - fy) + lower * fy
