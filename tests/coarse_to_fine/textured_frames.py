"""Frames to estimate on, and residual networks that are easy to follow."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def textured_frame(height: int, width: int) -> Tensor:
    """A smooth pattern without repeats, float `(1, 3, H, W)` in [-1, 1]."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, max(1, height // 4), max(1, width // 4), generator=generator) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def constant_flow(right: float, down: float, height: int, width: int) -> Tensor:
    """Float `(1, 2, H, W)`."""
    return torch.tensor([float(right), float(down)]).view(1, 2, 1, 1).repeat(1, 1, height, width)


def nothing(first: Tensor, warped: Tensor) -> Tensor:
    """A residual network that finds nothing left."""
    return torch.zeros(len(first), 2, *first.shape[2:])


def difference(first: Tensor, warped: Tensor) -> Tensor:
    """A residual network whose answer depends on every pixel."""
    return (first - warped)[:, :2]
