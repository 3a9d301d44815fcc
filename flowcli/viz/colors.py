"""Direction and length of flow as colour, by the circles of hues of two published codes.

Both codes go from white at rest to a full hue at length `scale`: colour = 1 - r (1 - hue), r = length / scale. They
differ in the circle, and in what they do beyond the scale. Hue and length are looked up in one table per code, so that
a Full HD field takes about as long as writing the picture.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame

# Steps of the table. The steepest ramp of either circle moves 0.8 of a level per direction, a length step at most one.
_DIRECTIONS = 2**12
_LENGTHS = 2**8
_PER_RADIAN = np.float32(_DIRECTIONS / (2 * np.pi))
_HALF = np.float32(0.5)  # rounds to nearest when the integer conversion cuts off
# Pixels at a time: the temporaries of one band stay in the processor's cache.
_BAND_PIXELS = 2**16


def middlebury_hues(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return RGB in 0..1, shape `(..., 3)`, for directions atan2(v, u) in turns (0 right, 0.25 down, 0.5 left).

    The colour wheel of Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV 2011): six ramps of
    15, 6, 4, 11, 13 and 6 steps, so that hues look evenly spaced; 55 colours in whole levels, spread over 54 intervals
    from the right clockwise, with linear interpolation.
    """
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)], float)
    ramps = []
    for start, end, steps in zip(corners[:-1], corners[1:], (15, 6, 4, 11, 13, 6), strict=True):
        rise = np.floor(255 * np.arange(steps) / steps)[:, None] / 255
        ramps.append(start + (end - start) * rise)
    circle = np.concatenate(ramps)
    position = turns % 1 * (len(circle) - 1)
    index = position.astype(int)
    fraction = (position - index)[..., None]
    return (1 - fraction) * circle[index] + fraction * circle[index + 1]


def hsv_hues(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return RGB in 0..1, shape `(..., 3)`, of the HSV colours with hue = `turns` and full saturation and value.

    Red right, green-yellow down, cyan left, violet up, as in DeepMind's demonstration of Perceiver IO.
    """
    return np.clip(np.abs((turns[..., None] * 6 + (0, 4, 2)) % 6 - 3) - 1, 0, 1)


# Name of the code -> hues, and the factor on the hue of flow longer than the scale: Middlebury darkens it.
_CODES = {"middlebury": (middlebury_hues, 0.75), "hsv": (hsv_hues, 1.0), "direction": (middlebury_hues, 1.0)}
# With the code "direction" and this scale every length but zero has its full hue.
ANY_LENGTH = 1e-6


@cache
def _color_table(code: str) -> NDArray[np.uint32]:
    # One entry of four bytes (R, G, B, unused) per direction and length; the last length means "beyond the scale".
    hues, beyond = _CODES[code]
    hue = hues(np.arange(_DIRECTIONS) / _DIRECTIONS).astype(np.float32)[:, None, :]
    length = np.linspace(0, 1, _LENGTHS, dtype=np.float32)[None, :, None]
    table = np.zeros((_DIRECTIONS, _LENGTHS + 1, 4), np.uint8)
    table[:, :-1, :3] = 255 * (1 - length * (1 - hue))
    table[:, -1:, :3] = 255 * beyond * hue
    return table.view(np.uint32).reshape(-1)


def color_by_direction(field: FlowField, scale: float, code: str) -> Frame:
    """Return uint8 `(H, W, 3)`: white where the flow is zero, the full hue at `scale` px, black where it is unknown.

    Args:
        field: the flow.
        scale: length in pixels that gets the full hue.
        code: "middlebury", "hsv", or "direction": as middlebury, but undarkened beyond the scale.
    """
    height, width = field.size
    table = _color_table(code)
    picture = np.empty((height, width, 3), np.uint8)
    per_pixel = np.float32((_LENGTHS - 1) / scale)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        uv = field.uv[top : top + rows]
        if field.valid is not None:
            uv = cv2.patchNaNs(uv.copy(), 0)
        u, v = cv2.split(uv)
        length, angle = cv2.cartToPolar(u, v)  # in 0..2 pi, within 0.01 degrees
        direction = (angle * _PER_RADIAN + _HALF).astype(np.int32) & (_DIRECTIONS - 1)
        step = (np.minimum(length, scale) * per_pixel + _HALF).astype(np.int32) + (length > scale)
        color = np.take(table, direction * (_LENGTHS + 1) + step)
        if field.valid is not None:
            color *= field.valid[top : top + rows]
        cv2.cvtColor(color.view(np.uint8).reshape(*color.shape, 4), cv2.COLOR_RGBA2RGB, dst=picture[top : top + rows])
    return picture


def draw_wheel(field: FlowField, scale: float) -> Frame:
    """Return uint8 `(H, W, 3)`: Middlebury's wheel; see `color_by_direction`."""
    return color_by_direction(field, scale, "middlebury")


def draw_hsv(field: FlowField, scale: float) -> Frame:
    """Return uint8 `(H, W, 3)`: the plain HSV circle; see `color_by_direction`."""
    return color_by_direction(field, scale, "hsv")
