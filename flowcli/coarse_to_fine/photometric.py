"""How badly a flow explains the frames: the local difference between frame 1 and the warped frame 2.

Brightness alone is fooled by a change of light, gradients alone by flat regions; the sum of both, clipped so that an
occluded pixel does not outweigh its surroundings, and averaged over a window, decides between two flows.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.consistency import ALPHA, BETA
from flowcli.coarse_to_fine.resizing import flow_scale
from flowcli.coarse_to_fine.warp import pixel_grid, sample

GRADIENT_WEIGHT = 4.0
CLIP = 0.5
DOUBT = 0.3
"""Least difference of a pixel whose motion the opposite direction does not confirm."""


def mean_colour(frames: Tensor) -> Tensor:
    """Turn RGB `(B, 3, H, W)`, uint8 or in [-1, 1], into brightness: float `(B, 1, H, W)` in [-1, 1]."""
    grey = torch.zeros_like(frames[:, :1], dtype=torch.float32)
    for channel in frames.split(1, dim=1):
        grey.add_(channel)
    return grey.mul_(2 / 255 / 3).sub_(1) if frames.dtype == torch.uint8 else grey.mul_(1 / 3)


def describe(grey: Tensor) -> Tensor:
    """Turn brightness `(B, 1, H, W)` in [-1, 1] into itself and its weighted gradients `(B, 3, H, W)`."""
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (GRADIENT_WEIGHT / 2)
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (GRADIENT_WEIGHT / 2)
    return torch.cat((grey, dx, dy), dim=1)


def local_error(
    described1: Tensor,
    described2: Tensor,
    inside: Tensor,
    window: int = 9,
    outside: float = CLIP,
    doubtful: Tensor | None = None,
) -> Tensor:
    """Average the clipped difference over a window.

    Args:
        described1: `describe`d frame 1, `(B, 3, H, W)`.
        described2: `describe`d warped frame 2.
        inside: bool `(B, 1, H, W)`, False where the flow left frame 2.
        window: side of the window in pixels, odd.
        outside: what a pixel counts that left frame 2: as badly explained, unless told otherwise.
        doubtful: bool `(B, 1, H, W)`; what such a pixel counts at least, whatever it looks like, is DOUBT.

    Returns:
        `(B, 1, H, W)`, 0 to 3 x CLIP.
    """
    difference = (described1 - described2).abs_().clamp_(max=CLIP).sum(dim=1, keepdim=True)
    difference = torch.where(inside, difference, outside)
    if doubtful is not None:
        difference = torch.where(doubtful & inside, difference.clamp(min=DOUBT), difference)
    return box_mean(difference, window)


def inconsistent(
    forward: Tensor, backward: Tensor, tolerance: float = BETA, top: int = 0, height: int | None = None
) -> Tensor:
    """Say where two directions do not agree, or the flow leaves frame 2: the check of `consistency.py`, on tensors.

    Args:
        forward: `(B, 2, H, W)` in pixels, or some rows of it.
        backward: the flow of frame 2, `(B, 2, H2, W2)` in its own pixels.
        tolerance: squared pixels of the forward flow.
        top: the first of those rows.
        height: rows of the whole; None: those of `backward`.

    Returns:
        bool `(B, 1, H, W)`.
    """
    size = (height or backward.shape[2], forward.shape[3])
    grid = pixel_grid(forward.shape[2], size[1], forward.device)
    x, y = grid[:, 0] + forward[:, 0], grid[:, 1] + top + forward[:, 1]
    back = sample(backward, x, y, size)
    if backward.shape[2:] != size:
        back = back * flow_scale((backward.shape[2], backward.shape[3]), size, back)
    square = (forward + back).square_().sum(dim=1)
    bound = ALPHA * (forward.square().sum(dim=1) + back.square_().sum(dim=1)) + tolerance
    inside = (x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1)
    return ~(inside & (square < bound))[:, None]


def box_mean(values: Tensor, window: int) -> Tensor:
    """Mean over a `window` x `window` box inside the frame; float32 `(B, C, H, W)`."""
    if values.device.type == "cpu":
        # Running sums: the time does not depend on the window, where torch's pooling adds up every pixel.
        planes = values.flatten(0, 1).numpy()
        options = {"normalize": False, "borderType": cv2.BORDER_CONSTANT}
        sums = np.stack([cv2.boxFilter(plane, -1, (window, window), **options) for plane in planes])
        rows, columns = (_inside(side, window) for side in values.shape[2:])
        return torch.from_numpy(sums / (rows[:, None] * columns)).view_as(values)
    radius = window // 2
    across = F.avg_pool2d(values, (1, window), 1, (0, radius), count_include_pad=False)
    return F.avg_pool2d(across, (window, 1), 1, (radius, 0), count_include_pad=False)


def _inside(side: int, window: int) -> NDArray[np.float32]:
    """How many pixels of a window around each position lie inside an axis."""
    position, radius = np.arange(side), window // 2
    count = np.minimum(position + radius, side - 1) - np.maximum(position - radius, 0) + 1
    return count.astype(np.float32)
