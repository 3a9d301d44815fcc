"""Length of flow as a perceptually uniform colour map (viridis), without its direction."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame


@cache
def color_map() -> Frame:
    """Return the 256 colours of the map as a uint8 `(1, 256, 3)` RGB row, from length 0 to the scale."""
    levels = np.arange(256, dtype=np.uint8)[None]
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB), np.uint8)


def measure_length(field: FlowField) -> NDArray[np.float32]:
    """Return the length of the flow in pixels, float32 `(H, W)`, zero where it is unknown."""
    u, v = cv2.split(field.uv)
    length = cv2.magnitude(u, v)
    return np.asarray(length if field.valid is None else cv2.patchNaNs(length, 0), np.float32)


def draw_magnitude(field: FlowField, scale: float) -> Frame:
    """Return uint8 `(H, W, 3)`: dark violet at rest to yellow at `scale` px and beyond, black where unknown."""
    # Cut off first: OpenCV's conversion rounds, but wraps for values beyond its integers.
    level = cv2.convertScaleAbs(np.minimum(measure_length(field), scale), alpha=255 / scale)
    picture = cv2.LUT(cv2.merge((level, level, level)), color_map())
    if field.valid is not None:
        picture = cv2.bitwise_and(picture, picture, mask=field.valid.view(np.uint8))
    return np.asarray(picture, np.uint8)
