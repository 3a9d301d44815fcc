"""Frames and flow at another size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.model.features import normalise

Size = tuple[int, int]
"""Height and width in pixels."""


def resize_frames(frames: Tensor, size: Size) -> Tensor:
    """Bring `(B, 3, H, W)` to `size`, averaging where it shrinks.

    Args:
        frames: uint8 or float in [-1, 1].
        size: of the result.

    Returns:
        float `(B, 3, *size)` in [-1, 1].
    """
    if frames.shape[2:] == size:
        return normalise(frames) if frames.dtype == torch.uint8 else frames
    if frames.dtype != torch.uint8:
        return F.interpolate(frames, size, mode="bilinear", align_corners=False, antialias=True)
    # Plane by plane: the whole frames in float would be the largest thing in memory.
    resized = torch.empty(*frames.shape[:2], *size, device=frames.device)
    for planes, result in zip(frames.split(1, dim=1), resized.split(1, dim=1), strict=True):
        for plane, part in zip(planes.split(1), result.split(1), strict=True):
            part.copy_(resize_frames(normalise(plane), size))
    return resized


def resize_flow(flow: Tensor, size: Size) -> Tensor:
    """Bring flow `(B, 2, H, W)` to the grid and the pixels of another size."""
    return resize_flow_rows(flow, size, slice(0, size[0]))


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
