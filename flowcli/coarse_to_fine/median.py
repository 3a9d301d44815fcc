"""Median filters of flow: a plain one, and a weighted one that follows the edges of the picture.

The plain median removes what a tile or a pixel got wrong alone, and keeps the edges of motion.

Smoothness rounds the edges of motion, and tiles and pyramids blur them further. There, and only there, a pixel takes
the weighted median of the flow around it, component by component; a neighbour counts the more, the nearer it is and the
more its colour is the pixel's own (Sun, Roth and Black, "Secrets of optical flow estimation and their principles", CVPR
2010, section 6). The neighbours are a coarse grid, so that a wide window costs little.
"""

from __future__ import annotations

import math
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import WEIGHTED_MEDIAN
from flowcli.kernels.library import Library, MedianArguments
from flowcli.runtime.device import has_host_form
from flowcli.runtime.strips import cut_strips
from flowcli.runtime.threads import Workers

PIXELS = 2**13
"""Pixels worked on at once on a CPU: their neighbours fit into its cache."""

DEVICE_PIXELS = 2**19
"""The same elsewhere; some 1500 bytes are held of each."""

COMPILED_PIXELS = 2**15
"""The same for compiled kernels, which hold some rows of the frame."""

_GATHERED = 128
"""Rows filtered at once on a GPU, where every pixel's 25 neighbours are gathered."""


def median_filter(flow: Tensor, size: int) -> Tensor:
    """Take the median of each `size` x `size` neighbourhood per component; borders are repeated outwards.

    Args:
        flow: float32 `(B, 2, H, W)`.
        size: 3 or 5.
    """
    if has_host_form(flow.device):
        planes = flow.flatten(0, 1).numpy()
        return torch.from_numpy(np.stack([cv2.medianBlur(plane, size) for plane in planes])).view_as(flow)
    radius = size // 2
    padded = F.pad(flow, (radius,) * 4, mode="replicate")
    strips = []
    for strip in cut_strips(flow.shape[2], flow.shape[3], pixels=_GATHERED * flow.shape[3], device=flow.device.type):
        rows = strip.rows.stop - strip.rows.start
        part = padded[:, :, strip.rows.start : strip.rows.stop + 2 * radius]
        windows = F.unfold(part, size).view(*flow.shape[:2], size * size, rows, flow.shape[3])
        strips.append(windows.median(dim=2).values)
    return torch.cat(strips, dim=2)


def weighted_median(flow: Tensor, frame: Tensor, workers: Workers, kernels: Library | None = None) -> Tensor:
    """Filter a flow at its edges, in place.

    Args:
        flow: float `(B, 2, H, W)` in pixels.
        frame: frame 1, `(B, 3, H, W)`, uint8 or float in [-1, 1].
        workers: work on parts of the edges side by side.
        kernels: compiled kernels, for float32: the same but where both sides weigh the same to a rounding; None: torch.

    Returns:
        `flow`.
    """
    # A CPU goes through the batch frame by frame: that holds less. Elsewhere to count the pixels of an edge means to
    # wait for the device; it happens once.
    frames, pixels = (1, PIXELS) if has_host_form(flow.device) else (len(flow), DEVICE_PIXELS)
    groups = (batch.split(frames) for batch in (flow, frame, find_motion_edges(flow)[:, 0]))
    for uv, picture, near in zip(*groups, strict=True):
        if kernels is not None and uv.dtype == torch.float32:
            _filter_compiled(uv[0], picture[0], near[0], workers, kernels)
            continue
        parts = list(zip(*(part.split(pixels) for part in near.nonzero(as_tuple=True)), strict=True))
        # All of them before the first changes what others see.
        medians = list(workers.map(partial(_median_of_neighbours, uv, picture), parts))
        for (index, y, x), median in zip(parts, medians, strict=True):
            uv[index, :, y, x] = median.T
    return flow


def find_motion_edges(flow: Tensor) -> Tensor:
    """Say which pixels are within WEIGHTED_MEDIAN.reach of a jump of the flow, bool `(B, 1, H, W)`."""
    batch, _, height, width = flow.shape
    near = torch.empty(batch, 1, height, width, dtype=torch.bool, device=flow.device)
    for rows, around, inner in cut_strips(height, width * batch, WEIGHTED_MEDIAN.reach + 1, device=flow.device.type):
        near[:, :, rows] = _find_motion_edges(flow[:, :, around])[:, :, inner]
    return near


def _find_motion_edges(flow: Tensor) -> Tensor:
    jump = torch.zeros(len(flow), 1, *flow.shape[2:], dtype=torch.bool, device=flow.device)
    for axis in (2, 3):
        count = flow.shape[axis] - 1
        here, beside = flow.narrow(axis, 0, count), flow.narrow(axis, 1, count)
        step = torch.maximum(*(here - beside).abs_().split(1, dim=1)) > WEIGHTED_MEDIAN.jump
        for start in (0, 1):
            jump.narrow(axis, start, count).logical_or_(step)
    reach = WEIGHTED_MEDIAN.reach
    side = 2 * reach + 1
    if has_host_form(flow.device):
        window = np.ones((side, side), np.uint8)
        wider = [cv2.dilate(plane, window) for plane in jump[:, 0].byte().numpy()]
        return torch.from_numpy(np.stack(wider)).bool()[:, None]
    wide = F.max_pool2d(F.max_pool2d(jump.to(flow.dtype), (1, side), 1, (0, reach)), (side, 1), 1, (reach, 0))
    return wide > 0


def _median_of_neighbours(uv: Tensor, picture: Tensor, pixels: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Weighted median of `(B, 2, H, W)` at N pixels, given by frames, rows and columns: `(2, N)`."""
    index, y, x = pixels
    count, _, height, width = uv.shape
    steps = torch.arange(-WEIGHTED_MEDIAN.radius, WEIGHTED_MEDIAN.radius + 1, device=uv.device) * WEIGHTED_MEDIAN.step
    down, right = (part.flatten() for part in torch.meshgrid(steps, steps, indexing="ij"))
    rows, columns = (y[:, None] + down).clamp_(0, height - 1), (x[:, None] + right).clamp_(0, width - 1)

    def look_up(plane: Tensor) -> Tensor:
        """Fetch the neighbours of every pixel from `(B, H, W)`: `(N, K)`."""
        # index_select takes half the time of indexing, and wants one axis; a picture's pixels may lie together.
        on, down, right = plane.stride()
        flat = plane.as_strided((1 + (count - 1) * on + (height - 1) * down + (width - 1) * right,), (1,))
        place = (rows * down).add_(columns, alpha=right).add_(index[:, None], alpha=on)
        return flat.index_select(0, place.flatten()).view_as(rows)

    nearness = (down.square() + right.square()).to(uv.dtype) / (-2 * WEIGHTED_MEDIAN.distance**2)
    difference = uv.new_zeros(rows.shape)
    for channel in picture.unbind(1):
        difference += (look_up(channel).to(uv.dtype) - channel[index, y, x, None]).square_()
    if picture.dtype == torch.uint8:
        difference *= (2 / 255) ** 2
    # A power of two: torch's exp is slow on a CPU where the result vanishes.
    weight = torch.exp2((nearness + difference.div_(-2 * WEIGHTED_MEDIAN.colour**2)).mul_(math.log2(math.e)))
    medians = uv.new_empty(2, len(y))
    for component, median in zip(uv.unbind(1), medians, strict=True):
        values = look_up(component)
        order = _argsort(values)
        mass = weight.gather(1, order).cumsum_(dim=1)
        middle = (mass < mass[:, -1:] / 2).sum(dim=1, keepdim=True)
        torch.gather(values, 1, order.gather(1, middle), out=median[:, None])
    return medians


def _filter_compiled(uv: Tensor, picture: Tensor, near: Tensor, workers: Workers, kernels: Library) -> None:
    """Filter `(2, H, W)` in place where `(H, W)` is True, by `kernels/source/median.h`."""
    pixels = near.flatten().nonzero()[:, 0]
    medians = uv.new_empty(2, len(pixels))
    picture = picture if picture.dtype == torch.uint8 else picture.float()
    unit = 2 / 255 if picture.dtype == torch.uint8 else 1.0
    arguments = MedianArguments(
        flow=uv.data_ptr(),
        picture=picture.data_ptr(),
        pixels=pixels,
        out=medians,
        colour=-(unit**2) / (2 * WEIGHTED_MEDIAN.colour**2) * math.log2(math.e),
        nearness=-1 / (2 * WEIGHTED_MEDIAN.distance**2) * math.log2(math.e),
        height=uv.shape[1],
        width=uv.shape[2],
        **dict(zip(("flow_plane", "flow_row", "flow_column"), uv.stride(), strict=True)),
        **dict(zip(("picture_plane", "picture_row", "picture_column"), picture.stride(), strict=True)),
        eight_bit=int(picture.dtype == torch.uint8),
        radius=WEIGHTED_MEDIAN.radius,
        step=WEIGHTED_MEDIAN.step,
        out_plane=len(pixels),
    )

    def filter_some(first: int) -> None:
        kernels.run_here(arguments, first, min(first + COMPILED_PIXELS, len(pixels)))

    workers.do(filter_some, range(0, len(pixels), COMPILED_PIXELS))
    # All of them before the first changes what others see.
    y, x = pixels // uv.shape[2], pixels % uv.shape[2]
    uv[:, y, x] = medians


def _argsort(values: Tensor) -> Tensor:
    """Sort the rows of `(N, K)`; on a CPU numpy takes a quarter of torch's time for short rows."""
    if has_host_form(values.device):
        return torch.from_numpy(np.argsort(values.numpy(), axis=1))
    return values.argsort(dim=1)
