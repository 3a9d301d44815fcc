"""Backward warping: frame 2 as it would look from frame 1 if a flow were true."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the coordinates of every pixel centre, float32 `(1, 2, H, W)`: x, then y, counted from 0."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack((x, y)).float()[None]


def sample(image: Tensor, x: Tensor, y: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Interpolate `(B, C, H, W)` bilinearly at pixel positions x, y `(B, h, w)`; the border is extended outwards.

    Positions are in pixels of the image, or of the same image at another `size` (height, width).

    Bilinear, because torch's bicubic kernel (A = -0.75) shifts a ramp by up to 0.05 px, which the flow would inherit.
    """
    height, width = size or image.shape[2:]
    # Pixel centres sit at (i + 0.5) / size in grid_sample's frame, which spans [-1, 1] from edge to edge.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def warp(frame2: Tensor, flow: Tensor, fill: Tensor, origin: tuple[int, int] = (0, 0)) -> tuple[Tensor, Tensor]:
    """Bring frame 2 to the grid of frame 1.

    A pixel whose flow leaves frame 2 says nothing about motion: it takes the value of `fill` (frame 1), so that no
    difference is invented there.

    Args:
        frame2: float `(B, C, H2, W2)`.
        flow: float `(B, 2, H, W)` in pixels.
        fill: float `(B, C, H, W)`.
        origin: (y, x) of frame 1's first pixel on the grid of frame 2; not zero when frame 1 is a window.

    Returns:
        The warped frame `(B, C, H, W)` and where it is real, bool `(B, 1, H, W)`.
    """
    height2, width2 = frame2.shape[2:]
    grid = pixel_grid(flow.shape[2], flow.shape[3], flow.device)
    x = grid[:, 0] + flow[:, 0] + origin[1]
    y = grid[:, 1] + flow[:, 1] + origin[0]
    inside = ((x >= -0.5) & (x <= width2 - 0.5) & (y >= -0.5) & (y <= height2 - 0.5))[:, None]
    return torch.where(inside, sample(frame2, x, y), fill), inside
