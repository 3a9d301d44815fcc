"""Frames -> network input: the only conversion between numpy and torch, and the only normalisation.

Perceiver IO, section 4.3: every pixel is its 3x3 neighbourhood in both frames, 54 values; neighbours outside the tile
are 0, which is mid-grey after normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.flow import Frame


def stack_frames(frames: Sequence[Frame], device: torch.device | str = "cpu") -> Tensor:
    """Stack uint8 `(H, W, 3)` RGB frames of equal size to uint8 `(B, 3, H, W)`; a single one is a view if it can be."""
    stacked = frames[0][None] if len(frames) == 1 else np.stack(frames)
    if not stacked.flags.writeable or min(stacked.strides) < 0:  # torch has neither
        stacked = stacked.copy()
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).to(device)


def normalise(frames: Tensor) -> Tensor:
    """Map 0..255 of any dtype to float32 in [-1, 1]."""
    return (frames * (2 / 255)).to(torch.float32).sub_(1)


def flow_to_numpy(flow: Tensor) -> np.ndarray:
    """Turn float `(B, 2, H, W)` flow into float32 `(B, H, W, 2)` on the host."""
    return flow.to(torch.float32).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def extract_patches(frame1: Tensor, frame2: Tensor) -> Tensor:
    """Gather each pixel's 3x3 neighbourhood in both frames.

    Args:
        frame1: float `(B, 3, H, W)` in [-1, 1].
        frame2: the same shape.

    Returns:
        `(B, H*W, 54)`, pixels row by row; channel `t*27 + (row*3 + column)*3 + colour`, t = 0 for the first frame.
    """
    batch, _, height, width = frame1.shape
    frames = torch.stack((frame1, frame2), dim=1).flatten(0, 1)  # (B*2, 3, H, W)
    neighbours = F.unfold(frames, kernel_size=3, padding=1)  # (B*2, 3*9, N), channel colour*9 + row*3 + column
    neighbours = neighbours.view(batch, 2, 3, 9, height * width)
    return neighbours.permute(0, 4, 1, 3, 2).reshape(batch, height * width, 54)
