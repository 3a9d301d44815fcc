"""Forward warping by softmax splatting (Niklaus & Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020).

Every pixel p of frame 1 is sent to p + f(p) and shared bilinearly among the four pixels around that place. Where
several arrive their mean is taken, weighted by exp(Z), their importance (equation 7):

    result(q) = sum_p b(q - p - f(p)) exp(Z(p)) I(p)  /  sum_p b(q - p - f(p)) exp(Z(p)),   b bilinear.

Z is, with both frames at hand, the brightness constancy of the paper (equation 8): Z = -ALPHA * mean over the channels
of |I1(p) - I2(p + f(p))| with I in 0..1: what frame 2 hides does not look like what frame 2 shows there. With frame 1
alone, the faster motion is taken for the nearer one, as it is for a moving camera and for what moves before a still
background: Z = ALPHA * |f(p)| / max |f|.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame
from flowcli.warping.backward import check_size, find_places, look_up

# The paper starts its training from 1 for colours of a wider range; 20 makes a tenth of the range count e^2.
ALPHA = 20.0
# Bilinear weight from which on a pixel counts as reached: rounding leaves less.
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class Splat:
    """What arrived.

    Attributes:
        values: float64 `(H, W, C)`; 0 where nothing arrived.
        weight: float64 `(H, W)`: the sum of the bilinear weights, without importance; about 1 where one pixel arrived.
    """

    values: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Bool `(H, W)`: where anything arrived."""
        return self.weight > _LEAST_WEIGHT


def splat(values: NDArray, flow: FlowField, time: float, importance: NDArray[np.float64]) -> Splat:
    """Send `values` along `time` times the flow.

    Args:
        values: `(H, W, C)`.
        flow: `(H, W)`; pixels of unknown flow go nowhere.
        time: factor of the flow; 1 leads to frame 2.
        importance: Z, `(H, W)`.
    """
    height, width = flow.size
    sent = flow.known
    y, x = np.nonzero(sent)
    u, v = (flow.uv[..., k][sent].astype(np.float64) * time for k in (0, 1))
    # Far outside is as good as just outside, and fits into an integer.
    x, y = np.clip(x + u, -2, width + 1), np.clip(y + v, -2, height + 1)
    z = importance[sent]
    weights = np.exp(z - z.max()) if z.size else z
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    numbers = [values[..., k][sent].astype(np.float64) for k in range(values.shape[2])]
    totals = np.zeros((len(numbers) + 2, height * width))
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = left + right, top + down
        share = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height) & (share > 0)
        place, share = (row * width + column)[inside], share[inside]
        weighted = share * weights[inside]
        for total, amount in zip(totals, [share, weighted, *(weighted * one[inside] for one in numbers)], strict=True):
            total += np.bincount(place, amount, height * width)
    reached, weight, sums = totals[0], totals[1], totals[2:]
    means = np.where(weight > 0, sums / np.where(weight > 0, weight, 1), 0)
    return Splat(means.T.reshape(height, width, -1), reached.reshape(height, width))


def rank_by_speed(flow: FlowField) -> NDArray[np.float64]:
    """Return Z of frame 1 alone, float64 `(H, W)` from 0 to ALPHA: the faster, the nearer."""
    length = np.nan_to_num(flow.magnitude().astype(np.float64))
    return ALPHA * length / max(float(length.max()), 1e-9)


def rank_by_brightness(frame1: Frame, frame2: Frame, flow: FlowField) -> NDArray[np.float64]:
    """Return Z of both frames, float64 `(H, W)` from -ALPHA to 0: how well frame 2 shows what frame 1 has."""
    x, y, _ = find_places(flow, 1.0)
    shown = look_up(frame2, x, y, cv2.BORDER_REPLICATE)
    difference = cv2.absdiff(frame1, shown).astype(np.float64).mean(axis=2) / 255
    return -ALPHA * difference


def warp_forward(
    frame1: Frame, flow: FlowField, time: float = 1.0, frame2: Frame | None = None
) -> tuple[Frame, NDArray[np.bool_]]:
    """Send frame 1 ahead.

    Args:
        frame1: uint8 `(H, W, 3)`.
        flow: from frame 1 to frame 2, the same size.
        time: the moment of the result: 0 is frame 1, 1 is frame 2.
        frame2: for the importance, see above.

    Returns:
        uint8 `(H, W, 3)`, black where nothing arrives, and bool `(H, W)`: where anything does.

    Raises:
        InputError: no frame, or another size than the flow's.
    """
    check_size(frame1, flow, "frame 1")
    if frame2 is None:
        importance = rank_by_speed(flow)
    else:
        check_size(frame2, flow, "frame 2")
        importance = rank_by_brightness(frame1, frame2, flow)
    arrived = splat(frame1, flow, time, importance)
    picture = np.rint(arrived.values).astype(np.uint8)
    picture[~arrived.reached] = 0
    return picture, arrived.reached
