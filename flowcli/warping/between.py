"""A moment between two frames, by the algorithm of the Middlebury benchmark.

Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 3.3.2:

1. The flow is sent ahead to the moment t; where several pixels arrive, the one whose colour is kept from frame to frame
   counts (here by softmax splatting, see `splat`, whose sum takes the place of the single best one).
2. What nothing arrives at is filled from its surroundings.
3. Both frames are looked up along the flow at t, frame 1 by t back and frame 2 by 1 - t ahead, and blended as 1 - t
   to t; where one of the two has no such place, or hides it, the other is taken alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame
from flowcli.warping.backward import check_size, find_places, look_up
from flowcli.warping.splat import rank_by_brightness, rank_by_speed, splat

# Beyond this squared distance in pixels, two flows are of different things.
_SAME_MOTION = 1.0


def flow_at(flow: FlowField, time: float, importance: NDArray[np.float64]) -> tuple[FlowField, NDArray[np.bool_]]:
    """Return the flow from frame 1 to frame 2 on the grid of the moment `time`, and where it arrived, bool `(H, W)`.

    Elsewhere it is that of the slowest of the nearest pixels to the left, the right, above and below: holes open behind
    what moves faster than its surroundings. Unknown if the flow arrived nowhere.
    """
    arrived = splat(flow.uv, flow, time, importance)
    reached = arrived.reached
    uv = arrived.values.astype(np.float32)
    if not reached.any():
        return FlowField(np.full_like(uv, np.nan), np.zeros(flow.size, bool)), reached
    return FlowField(_fill(uv, reached)), reached


def _fill(uv: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    while not known.all():
        slowest = np.full(known.shape, np.inf, np.float32)
        filled = uv.copy()
        for axis in (0, 1):
            for backwards in (False, True):
                near = _find_last(known, axis, backwards)
                found = ~known & (near >= 0)
                candidate = np.take_along_axis(uv, np.maximum(near, 0)[..., None], axis)
                length = np.hypot(candidate[..., 0], candidate[..., 1])
                better = found & (length < slowest)
                filled[better], slowest[better] = candidate[better], length[better]
        # A pixel with nothing in its row and column waits for its neighbours.
        uv, known = filled, known | np.isfinite(slowest)
    return uv


def _find_last(known: NDArray[np.bool_], axis: int, backwards: bool) -> NDArray[np.int64]:
    """Return the index along `axis` of the last known pixel before each, int64 `(H, W)`; -1 if there is none."""
    shape = (-1, 1) if axis == 0 else (1, -1)
    index = np.arange(known.shape[axis]).reshape(shape)
    if not backwards:
        return np.maximum.accumulate(np.where(known, index, -1), axis)
    none = known.shape[axis]
    nearest = np.flip(np.minimum.accumulate(np.flip(np.where(known, index, none), axis), axis), axis)
    return np.where(nearest == none, -1, nearest)


def interpolate(frame1: Frame, frame2: Frame, flow: FlowField, time: float) -> Frame:
    """Return the moment `time` (0 is frame 1, 1 is frame 2), uint8 `(H, W, 3)`.

    Args:
        frame1: uint8 `(H, W, 3)`.
        frame2: the same size.
        flow: from frame 1 to frame 2, the same size.
        time: from 0 to 1.

    Raises:
        InputError: no frames, or another size than the flow's.
    """
    check_size(frame1, flow, "frame 1")
    check_size(frame2, flow, "frame 2")
    importance = rank_by_brightness(frame1, frame2, flow)
    between, reached = flow_at(flow, time, importance)
    # A frame does not show it where the flow that it has there is another: something else is in front.
    x, y, inside = find_places(between, -time)
    first = look_up(frame1, x, y, cv2.BORDER_REPLICATE)
    seen1 = inside & reached & _is_same(np.nan_to_num(flow.uv), between, x, y)
    x, y, inside = find_places(between, 1 - time)
    second = look_up(frame2, x, y, cv2.BORDER_REPLICATE)
    seen2 = inside & _is_same(flow_at(flow, 1.0, importance)[0].uv, between, x, y)
    share = np.where(seen1 == seen2, time, np.where(seen2, 1.0, 0.0))[..., None]
    return np.rint((1 - share) * first + share * second).astype(np.uint8)


def _is_same(
    uv: NDArray[np.float32], between: FlowField, x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.bool_]:
    there = cv2.remap(uv, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.square(there - np.nan_to_num(between.uv)).sum(axis=2) <= _SAME_MOTION


def warp_to(frame2: Frame, flow: FlowField, time: float) -> tuple[Frame, NDArray[np.bool_]]:
    """Bring frame 2 back to the moment `time`: 0 is frame 1, 1 is frame 2 itself.

    Returns:
        uint8 `(H, W, 3)`, black where frame 2 does not reach, and bool `(H, W)`: where it does.

    Raises:
        InputError: no frame, or another size than the flow's.
    """
    check_size(frame2, flow, "frame 2")
    between, _ = (flow, None) if time == 0 else flow_at(flow, time, rank_by_speed(flow))
    x, y, inside = find_places(between, 1 - time)
    picture = look_up(frame2, x, y, cv2.BORDER_REPLICATE)
    picture[~inside] = 0
    return picture, inside
