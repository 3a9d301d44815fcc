"""Frames and flow at another size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.model.features import normalise
from flowcli.runtime.strips import cut_strips

MARGIN = 2
"""How many times larger the frames are at least that a level is made of."""

Size = tuple[int, int]
"""Height and width in pixels."""


def resize_frames(frames: Tensor, size: Size, eight_bit: bool = False) -> Tensor:
    """Bring `(B, 3, H, W)` to `size`, averaging where it shrinks.

    Args:
        frames: uint8 or float in [-1, 1].
        size: of the result.
        eight_bit: return uint8, a quarter of the memory.

    Returns:
        `(B, 3, *size)`, float in [-1, 1] or uint8.
    """
    if frames.shape[2:] == size and frames.dtype == (torch.uint8 if eight_bit else torch.float32):
        return frames

    def resize(plane: Tensor) -> Tensor:
        if plane.shape[2:] == size:
            return plane
        return F.interpolate(plane, size, mode="bilinear", align_corners=False, antialias=True)

    return _plane_by_plane(resize, frames, size, eight_bit)


def _plane_by_plane(resize: Callable[[Tensor], Tensor], frames: Tensor, size: Size, eight_bit: bool = False) -> Tensor:
    if frames.dtype != torch.uint8 and not eight_bit:
        return resize(frames)
    # All of the frames in float would be the largest thing in memory.
    dtype = torch.uint8 if eight_bit else torch.float32
    resized = torch.empty(*frames.shape[:2], *size, dtype=dtype, device=frames.device)
    for planes, results in zip(frames.split(1, dim=1), resized.split(1, dim=1), strict=True):
        for plane, result in zip(planes.split(1), results.split(1), strict=True):
            found = resize(normalise(plane) if plane.dtype == torch.uint8 else plane)
            result.copy_(found.add(1).mul_(127.5).round_().clamp_(0, 255) if eight_bit else found)
    return resized


def halve_frames(frames: Tensor, half: Size) -> Tensor:
    """Bring frames to half their size, `half` rounded up, by means of 2x2 pixels."""
    # A wider filter would blur what the levels are made of.
    return _plane_by_plane(lambda plane: F.interpolate(plane, half, mode="area"), frames, half)


def resize_flow(flow: Tensor, size: Size) -> Tensor:
    """Bring flow `(B, 2, H, W)` to the grid and the pixels of another size; a new tensor."""
    resized = flow.new_empty(*flow.shape[:2], *size)
    for strip in cut_strips(size[0], size[1] * len(flow), 1, device=flow.device.type):
        resized[:, :, strip.rows] = resize_flow_rows(flow, size, strip.rows)
    return resized


def resize_flow_rows(flow: Tensor, size: Size, rows: slice) -> Tensor:
    """Return only some rows of `resize_flow`."""
    height, width = flow.shape[2:]
    if (height, width) == size:
        return flow[:, :, rows]
    # Linear along the columns of the few rows that are needed, then along the rows.
    position = ((torch.arange(rows.start, rows.stop) + 0.5) * (height / size[0]) - 0.5).clamp_(0, height - 1)
    above = position.long()
    below = (above + 1).clamp_(max=height - 1)
    first, last = int(above[0]), int(below[-1]) + 1
    wide = F.interpolate(
        flow[:, :, first:last], (last - first, size[1]), mode="bilinear", align_corners=False
    ) * flow_scale((height, width), size, flow)
    share = (position - above)[:, None].to(flow)
    return torch.lerp(wide[:, :, (above - first).to(flow.device)], wide[:, :, (below - first).to(flow.device)], share)


def flow_scale(size: Size, new: Size, like: Tensor) -> Tensor:
    """Return what flow is multiplied with that goes from one size to another, `(1, 2, 1, 1)`."""
    return torch.tensor([new[1] / size[1], new[0] / size[0]], dtype=like.dtype, device=like.device).view(1, 2, 1, 1)
