"""Median filter of flow: removes what a tile or a pixel got wrong alone, keeps the edges of motion."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# Rows filtered at once on a GPU, where every pixel's 25 neighbours are gathered.
_BAND = 128


def median_filter(flow: Tensor, size: int) -> Tensor:
    """Take the median of each `size` x `size` neighbourhood per component; borders are repeated outwards.

    Args:
        flow: float32 `(B, 2, H, W)`.
        size: 3 or 5.
    """
    if flow.device.type == "cpu":
        planes = flow.flatten(0, 1).numpy()
        return torch.from_numpy(np.stack([cv2.medianBlur(plane, size) for plane in planes])).view_as(flow)
    radius = size // 2
    padded = F.pad(flow, (radius,) * 4, mode="replicate")
    bands = []
    for top in range(0, flow.shape[2], _BAND):
        rows = min(_BAND, flow.shape[2] - top)
        band = padded[:, :, top : top + rows + 2 * radius]
        windows = F.unfold(band, size).view(*flow.shape[:2], size * size, rows, flow.shape[3])
        bands.append(windows.median(dim=2).values)
    return torch.cat(bands, dim=2)
