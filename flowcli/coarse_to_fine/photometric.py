"""The photometric cost: how badly a flow explains the frames, from frame 1 and the warped frame 2.

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

from flowcli.coarse_to_fine.config import PHOTOMETRIC
from flowcli.runtime.device import has_host_form

LUMA = 0.299, 0.587, 0.114
"""Weights of red, green and blue in grey (ITU-R BT.601), OpenCV's."""


def to_brightness(frames: Tensor) -> Tensor:
    """Average RGB `(B, 3, H, W)`, uint8 or in [-1, 1], over its colours: float `(B, 1, H, W)` in [-1, 1]."""
    grey = torch.zeros_like(frames[:, :1], dtype=torch.float32)
    for channel in frames.split(1, dim=1):
        grey.add_(channel)
    return grey.mul_(2 / 255 / 3).sub_(1) if frames.dtype == torch.uint8 else grey.mul_(1 / 3)


def to_grey(frames: Tensor) -> Tensor:
    """Turn RGB `(B, 3, H, W)`, uint8 or in [-1, 1], into 8-bit grey, uint8 `(B, H, W)`, as OpenCV would."""
    grey = torch.zeros_like(frames[:, 0], dtype=torch.float32)
    for channel, weight in enumerate(LUMA):
        grey.add_(frames[:, channel], alpha=weight)
    if frames.dtype != torch.uint8:
        grey.add_(1).mul_(127.5)
    return grey.round_().clamp_(0, 255).byte()


def describe(brightness: Tensor) -> Tensor:
    """Turn brightness `(B, 1, H, W)` in [-1, 1] into itself and its weighted gradients `(B, 3, H, W)`."""
    padded = F.pad(brightness, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (PHOTOMETRIC.gradient_weight / 2)
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (PHOTOMETRIC.gradient_weight / 2)
    return torch.cat((brightness, dx, dy), dim=1)


def photometric_cost(
    described1: Tensor,
    described2: Tensor,
    inside: Tensor,
    window: int = 9,
    outside: float = PHOTOMETRIC.clip,
    consistent: Tensor | None = None,
) -> Tensor:
    """Average the clipped difference over a window.

    Args:
        described1: `describe`d frame 1, `(B, 3, H, W)`.
        described2: `describe`d warped frame 2.
        inside: bool `(B, 1, H, W)`, False where the flow left frame 2.
        window: side of the window in pixels, odd.
        outside: what a pixel counts that left frame 2: as badly explained, unless told otherwise.
        consistent: bool `(B, 1, H, W)`; a pixel that is not counts PHOTOMETRIC.inconsistent at least.

    Returns:
        `(B, 1, H, W)`, 0 to 3 x PHOTOMETRIC.clip.
    """
    difference = (described1 - described2).abs_().clamp_(max=PHOTOMETRIC.clip).sum(dim=1, keepdim=True)
    difference = torch.where(inside, difference, outside)
    if consistent is not None:
        least = difference.clamp(min=PHOTOMETRIC.inconsistent)
        difference = torch.where(consistent | ~inside, difference, least)
    return box_mean(difference, window)


def box_mean(values: Tensor, window: int) -> Tensor:
    """Mean over a `window` x `window` box inside the frame; float32 `(B, C, H, W)`."""
    if has_host_form(values.device):
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
