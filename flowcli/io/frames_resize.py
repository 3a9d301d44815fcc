"""Frames to another size for estimation, and the flow back to the grid and units of the original frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from flowcli.errors import UsageError
from flowcli.flow import FlowField, Frame
from flowcli.io.limits import MAX_PIXELS


@dataclass(frozen=True)
class Resize:
    """The size at which flow is estimated: fixed, or a factor of the frame size."""

    size: tuple[int, int] | None = None
    factor: float | None = None

    def target(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) for frames of `size`; raises UsageError if that is too large."""
        if self.size is None and self.factor is None:
            return size
        height, width = self.size or (max(1, round(side * (self.factor or 1))) for side in size)
        if height * width > MAX_PIXELS:
            raise UsageError(f"--resize: expected at most {MAX_PIXELS} pixels (8192x8192), got {width}x{height}")
        return height, width


def resize_frame(frame: Frame, size: tuple[int, int]) -> Frame:
    """Return the frame, uint8 `(H, W, 3)`, at (height, width) `size`; areas are averaged when shrinking."""
    if frame.shape[:2] == size:
        return frame
    shrinks = size[0] <= frame.shape[0] and size[1] <= frame.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, size[::-1], interpolation=method), np.uint8)


def resize_flow(field: FlowField, size: tuple[int, int]) -> FlowField:
    """Return the flow on the grid of `size`, (height, width), with u and v in pixels of that grid.

    Linear between known pixels; a pixel that would mix in an unknown one is unknown.
    """
    if field.size == size:
        return field
    # NaN spreads through the interpolation, and so marks what is unknown.
    uv = np.asarray(cv2.resize(field.uv, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    uv = uv * np.array([size[1] / field.size[1], size[0] / field.size[0]], np.float32)
    return FlowField(uv) if field.valid is None else FlowField.with_unknown(uv)
