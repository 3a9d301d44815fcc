"""Flow inpainting where frame 2 shows nothing: continue the motion of the surroundings.

What leaves the frame or is covered in frame 2 cannot be matched; whatever an estimator answers there is invented. But
scenes are made of surfaces, and the flow of a surface is nearly affine in the frame, so an affine motion fitted to the
known pixels around continues it better than any of their values does. The fit is least squares over windows of all
sizes at once: the sums of a fit (products of weight, position and flow) are averaged down a pyramid, solved at every
level, and a finer level's answer replaces a coarser one's as far as it has known pixels. That is the pull-push scheme
of Gortler et al. ("The Lumigraph", SIGGRAPH 1996, section 3.4), with affine models for values.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.batched import inpaint as batched
from flowcli.coarse_to_fine.config import INPAINT
from flowcli.runtime.device import has_float64, has_host_form
from flowcli.runtime.strips import cut_strips
from flowcli.runtime.threads import Workers

STRIP_PIXELS = 2**17
"""Pixels worked on at once: the sums of a cell take more than other steps hold."""

Array = NDArray[np.float64]


def inpaint(flow: Tensor, known: Tensor, workers: Workers | None = None) -> Tensor:
    """Replace what is not known by the continued motion of its surroundings, in place where it is on a CPU.

    Args:
        flow: float32 `(B, 2, H, W)` in pixels, finite, on any device.
        known: bool `(B, 1, H, W)`.
        workers: threads for it; None: the caller's alone.

    Returns:
        float32 `(B, 2, H, W)`; the same values where known, or everywhere if all or no pixels are.
    """
    if not has_host_form(flow.device) and has_float64(flow.device):
        return batched.inpaint(flow, known, choose_cell(known.shape[2], known.shape[3]))
    workers = workers or Workers(1)
    inpainted, known = flow.cpu(), known[:, 0].cpu()
    items = [index for index, plane in enumerate(known) if plane.any() and not plane.all()]
    models = workers.map(lambda index: _fit_models(inpainted[index], known[index]), items)
    parts = [
        (index, model, strip.rows)
        for index, model in zip(items, models, strict=True)
        for strip in cut_strips(known.shape[1], known.shape[2], pixels=STRIP_PIXELS)
    ]
    workers.do(lambda part: _continue(inpainted[part[0]], known[part[0]], *part[1:]), parts)
    return inpainted.to(flow.device)


class _Models(NamedTuple):
    """Affine motion of every cell.

    Attributes:
        cell: side of a cell in pixels.
        table: constant, d/dx and d/dy of u, then of v, `(rows, columns, 6)`.
    """

    cell: int
    table: Array


def _fit_models(planes: Tensor, known: Tensor) -> _Models:
    cell = choose_cell(known.shape[0], known.shape[1])
    # The six numbers of a cell side by side: they are fetched together.
    return _Models(cell, np.ascontiguousarray(_fit(_sums(planes, known, cell), cell).transpose(1, 2, 0)))


def _continue(planes: Tensor, known: Tensor, models: _Models, rows: slice) -> None:
    """Inpaint some rows of flow `(2, H, W)`, of any strides, where `(H, W)` is False."""
    y, x = np.nonzero(~known[rows].numpy())
    y += rows.start
    centres = ((place + 0.5) / models.cell - 0.5 for place in (y, x))
    u, u_x, u_y, v, v_x, v_y = _interpolate(models.table, *centres).T
    uv = planes.numpy()
    uv[0, y, x] = u + u_x * x + u_y * y
    uv[1, y, x] = v + v_x * x + v_y * y


def choose_cell(height: int, width: int) -> int:
    """Return the side of a cell in pixels: INPAINT.cell, doubled until there are few enough."""
    cell = INPAINT.cell
    while -(-height // cell) * -(-width // cell) > INPAINT.most_cells:
        cell *= 2
    return cell


def _sums(planes: Tensor, known: Tensor, cell: int) -> Array:
    """Means over each cell of w, wx, wy, wxx, wxy, wyy, then wu, wxu, wyu, then the same of v, w being 1 or 0."""
    height, width = known.shape
    rows, columns = -(-height // cell), -(-width // cell)
    # From the centre of each cell first: single precision is enough there.
    offset = torch.arange(cell) - (cell - 1) / 2
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    kernels = torch.stack((torch.ones_like(x), x, y, x * x, x * y, y * y))[:, None] / cell**2
    sums = torch.empty(12, rows, columns)
    for strip in cut_strips(height, width, pixels=STRIP_PIXELS, multiple=cell):
        inside = known[strip.rows]
        cells = slice(strip.rows.start // cell, -(-strip.rows.stop // cell))
        # What is missing of the last cells counts as zeros.
        border = (0, columns * cell - width, 0, -inside.shape[0] % cell)
        weight = F.pad(inside.float(), border)[None, None]
        sums[:6, cells] = F.conv2d(weight, kernels, stride=cell)[0]
        values = F.pad(torch.where(inside, planes[:, strip.rows], 0.0), border)[:, None]
        sums[6:, cells] = F.conv2d(values, kernels[:3], stride=cell).flatten(0, 1)
    w, wx, wy, wxx, wxy, wyy, *valued = sums.double().numpy()
    # Then from the frame's first pixel.
    y, x = ((np.arange(count) + 0.5) * cell - 0.5 for count in (rows, columns))
    y = y[:, None]
    moved = [w, wx + x * w, wy + y * w]
    moved += [wxx + 2 * x * wx + x * x * w, wxy + x * wy + y * wx + x * y * w, wyy + 2 * y * wy + y * y * w]
    for value, value_x, value_y in (valued[:3], valued[3:]):
        moved += [value, value_x + x * value, value_y + y * value]
    return np.stack(moved)


def _halve(planes: Array) -> Array:
    """Average 2x2 neighbours of `(N, rows, columns)`; an odd row or column counts with zeros beside it."""
    below, right = planes.shape[1] % 2, planes.shape[2] % 2
    if below or right:
        planes = np.pad(planes, ((0, 0), (0, below), (0, right)))
    columns = planes[:, :, ::2] + planes[:, :, 1::2]
    return (columns[:, ::2] + columns[:, 1::2]) / 4


def _fit(sums: Array, cell: int) -> Array:
    """Solve this level and all coarser ones: `(6, rows, columns)`: constant, d/dx and d/dy of u, then of v."""
    rows, columns = sums.shape[1:]
    windowed = np.stack([cv2.GaussianBlur(plane, (5, 5), 1.2, borderType=cv2.BORDER_CONSTANT) for plane in sums])
    weight = windowed[0]
    coarsest = max(rows, columns) <= 2
    coarser = np.zeros((6, rows, columns))
    if not coarsest:
        coarser = _double(_fit(_halve(sums), cell * 2))[:, :rows, :columns]
    windowed[1:] /= np.maximum(weight, 1e-9)
    mean_x, mean_y = windowed[1], windowed[2]
    ridge = INPAINT.ridge * cell * cell
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
        model = coarser + np.minimum(weight / INPAINT.enough, 1) * (model - coarser)
    return model


def _double(planes: Array) -> Array:
    """Interpolate `(N, rows, columns)` bilinearly at twice the size; the border is extended outwards."""
    return F.interpolate(torch.from_numpy(planes)[None], scale_factor=2, mode="bilinear")[0].numpy()


def _interpolate(table: Array, y: Array, x: Array) -> Array:
    """Interpolate `(rows, columns, N)` bilinearly at positions in cells, `(P, N)`; the border is extended outwards."""
    height, width, count = table.shape
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = (y - top)[:, None], (x - left)[:, None]
    flat = table.reshape(-1, count)
    upper = flat[top * width + left] * (1 - across) + flat[top * width + right] * across
    lower = flat[below * width + left] * (1 - across) + flat[below * width + right] * across
    return upper * (1 - down) + lower * down
