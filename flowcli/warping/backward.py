"""Backward warping: every pixel of the result looks up where it comes from."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import FlowField, Frame, check_frame


def warp(frame2: Frame, flow: FlowField) -> Frame:
    """Bring frame 2 to the grid of frame 1.

    Args:
        frame2: uint8 `(H, W, 3)`.
        flow: from frame 1 to frame 2, the same size.

    Returns:
        uint8 `(H, W, 3)`: pixel (x, y) shows frame 2 at (x + u, y + v), bilinear. Black where that is outside or where
        the flow is unknown.

    Raises:
        InputError: no frame, or another size than the flow's.
    """
    check_size(frame2, flow, "frame 2")
    x, y, _ = find_places(flow, 1.0)
    return look_up(frame2, x, y, cv2.BORDER_CONSTANT)


def find_places(flow: FlowField, factor: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return where `factor` times the flow leads, x and y float32 `(H, W)`, and whether that is in the picture.

    Half a pixel beyond the outermost centres is still the picture. An unknown flow leads outside.
    """
    height, width = flow.size
    x = flow.uv[..., 0] * np.float32(factor) + np.arange(width, dtype=np.float32)
    y = flow.uv[..., 1] * np.float32(factor) + np.arange(height, dtype=np.float32)[:, None]
    if flow.valid is not None:
        x[~flow.valid] = y[~flow.valid] = -2
    return x, y, (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)


def look_up(frame: Frame, x: NDArray[np.float32], y: NDArray[np.float32], border: int) -> Frame:
    """Return uint8 `(H, W, 3)`: `frame` at the positions x, y `(H, W)`, bilinear; `border` is one of OpenCV's."""
    return np.asarray(cv2.remap(frame, x, y, cv2.INTER_LINEAR, borderMode=border), np.uint8)


def check_size(frame: Frame, flow: FlowField, name: str) -> None:
    """Raise InputError unless `frame` is a frame of the size of the flow."""
    check_frame(frame, name)
    if frame.shape[:2] != flow.size:
        (height, width), (h, w) = flow.size, frame.shape[:2]
        raise InputError(f"expected {name} of the size of the flow, {width}x{height}, got {w}x{h}")
