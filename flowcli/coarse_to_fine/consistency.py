"""Forward-backward consistency: which pixels of frame 1 have no partner in frame 2.

The check of Sundaram et al. (ECCV 2010) with the thresholds of UnFlow (Meister et al., AAAI 2018, section 3.2): pixel x
is occluded where |f(x) + b(x + f(x))|^2 >= alpha (|f(x)|^2 + |b(x + f(x))|^2) + beta. Pixels that leave the frame, or
whose flow is unknown at either end, have no partner either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import FlowField

ALPHA = 0.01
BETA = 0.5  # square pixels

# Pixels at a time: the temporaries stay small whatever the frame size.
_BAND_PIXELS = 2**18


def find_occlusion(
    forward: FlowField, backward: FlowField, alpha: float = ALPHA, beta: float = BETA
) -> NDArray[np.bool_]:
    """Return bool `(H, W)` on the grid of frame 1: True where the content is not visible in frame 2.

    Args:
        forward: flow from frame 1 to frame 2. For the mask of frame 2, exchange the two.
        backward: flow from frame 2 to frame 1, the same size.
        alpha: tolerance as a fraction of the squared motion.
        beta: tolerance in square pixels.

    Raises:
        InputError: if the sizes differ.
    """
    if forward.size != backward.size:
        raise InputError(f"expected two flows of equal size (height, width), got {forward.size} and {backward.size}")
    height, width = forward.size
    occluded = np.empty((height, width), np.bool_)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        flow = forward.uv[top : top + rows]
        x = np.arange(width, dtype=np.float32) + flow[..., 0]
        y = np.arange(top, top + len(flow), dtype=np.float32)[:, None] + flow[..., 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        back = _sample(backward.uv, np.where(inside, x, 0), np.where(inside, y, 0))
        # NaN compares false, so an unknown end is never consistent.
        residual = ((flow + back) ** 2).sum(axis=-1)
        bound = alpha * ((flow**2).sum(axis=-1) + (back**2).sum(axis=-1)) + beta
        occluded[top : top + rows] = ~(inside & (residual < bound))
    return occluded


def _sample(uv: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    # Bilinear, inside the field only. OpenCV's remap would round positions to 1/32 px and stop at 32767 columns.
    height, width = uv.shape[:2]
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    top = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[..., None], (y - top)[..., None]
    upper = uv[top, left] * (1 - fx) + uv[top, right] * fx
    lower = uv[bottom, left] * (1 - fx) + uv[bottom, right] * fx
    return (upper * (1 - fy) + lower * fy).astype(np.float32)
