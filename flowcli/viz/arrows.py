"""Flow as arrows on a grid: the foot is the pixel, the direction that of its flow.

An arrow at the scale is 1.4 grid steps long, so that neighbours hardly touch whatever the flow is; a shorter flow gets
a shorter arrow in proportion. Every arrow is drawn twice, wide and dark, then thin and coloured like the wheel: that
reads on black, on white and on any texture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame
from flowcli.viz.colors import ANY_LENGTH, color_by_direction

_LENGTH_AT_SCALE = 1.4  # in grid steps
_HEAD = 0.35  # of the arrow's length
_OUTLINE = (24, 24, 24)
_DOT = (128, 128, 128)
_SHORTEST = 2.0  # pixels of the picture
_SUBPIXEL_BITS = 4  # OpenCV draws in fixed-point coordinates


def choose_spacing(height: int, width: int) -> int:
    """Return the grid step in pixels: about 16 arrows along the shorter side, at least 10 px apart."""
    return max(10, round(min(height, width) / 16))


def draw_arrows(field: FlowField, scale: float, frame: Frame | None) -> Frame:
    """Return uint8 `(H, W, 3)`: arrows on `frame`, or on white; a dot where it hardly moves, none where unknown."""
    height, width = field.size
    picture = np.full((height, width, 3), 255, np.uint8) if frame is None else frame.copy()
    spacing = choose_spacing(height, width)
    y, x = (grid.ravel() for grid in np.meshgrid(_centres(height, spacing), _centres(width, spacing), indexing="ij"))
    known = field.known[y, x]
    y, x = y[known], x[known]
    if y.size == 0:
        return picture
    uv = field.uv[y, x]
    length = np.hypot(uv[:, 0], uv[:, 1])[:, None]
    unit = uv / np.maximum(length, np.float32(1e-9))
    # Beyond the scale the direction stays and the length is cut: a wild pixel must not cross the whole picture.
    feet = np.stack([x, y], axis=1)
    tips = feet + unit * np.minimum(length / scale, 1) * _LENGTH_AT_SCALE * spacing
    colors = color_by_direction(FlowField(uv[None]), ANY_LENGTH, "direction")[0]
    thickness = max(1, round(spacing / 20))
    # What hardly moves gets a small dot: its outline would be all there is to see, on a still scene everywhere.
    still = length[:, 0] / scale * _LENGTH_AT_SCALE * spacing < _SHORTEST
    for point in feet[still].tolist():
        cv2.circle(picture, point, thickness, _DOT, cv2.FILLED, cv2.LINE_AA)
    feet, tips, colors = feet[~still], tips[~still], colors[~still]
    _draw_all(picture, feet, tips, np.full_like(colors, _OUTLINE), thickness + max(2, thickness))
    _draw_all(picture, feet, tips, colors, thickness)
    return picture


def _centres(size: int, spacing: int) -> NDArray[np.int_]:
    # Middles of equal cells about `spacing` wide; a side shorter than that has one.
    count = max(1, round(size / spacing))
    return ((np.arange(count) + 0.5) * size / count).astype(int)


def _draw_all(picture: Frame, feet: NDArray, tips: NDArray, colors: Frame, thickness: int) -> None:
    fixed_feet = np.rint(feet * 2**_SUBPIXEL_BITS).astype(int).tolist()
    fixed_tips = np.rint(tips * 2**_SUBPIXEL_BITS).astype(int).tolist()
    for foot, tip, color in zip(fixed_feet, fixed_tips, colors.tolist(), strict=True):
        cv2.arrowedLine(picture, foot, tip, color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS, _HEAD)
