"""Flow together with the frames it was estimated from: overlay, side by side, second frame warped back."""

from __future__ import annotations

import cv2
import numpy as np

from flowcli.flow import FlowField, Frame
from flowcli.viz.colors import ANY_LENGTH, color_by_direction
from flowcli.viz.magnitude import measure_length
from flowcli.warping.backward import warp

# The frame keeps this much of its own colour below the flow; all of it would be mistaken for motion.
_FRAME_COLOR = 0.25
_STRONGEST = 0.8


def draw_overlay(field: FlowField, scale: float, frame: Frame) -> Frame:
    """Return uint8 `(H, W, 3)`: the faded frame, tinted by the wheel's hue the more the faster the flow.

    The tint is 0.8 at `scale` px and beyond, and none where the flow is zero or unknown.
    """
    strength = np.minimum(measure_length(field) * np.float32(_STRONGEST / scale), np.float32(_STRONGEST))
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faded = cv2.addWeighted(frame, _FRAME_COLOR, grey, 1 - _FRAME_COLOR, 0)
    hue = color_by_direction(field, ANY_LENGTH, "direction")
    return np.asarray(cv2.blendLinear(hue, faded, strength, 1 - strength), np.uint8)


def draw_side_by_side(field: FlowField, scale: float, frame: Frame) -> Frame:
    """Return uint8 `(H, 2 W, 3)`: the frame on the left, its flow as the wheel's colours on the right."""
    return np.concatenate([frame, color_by_direction(field, scale, "middlebury")], axis=1)


def draw_warped(field: FlowField, _scale: float, frame2: Frame) -> Frame:
    """Return uint8 `(H, W, 3)`: the second frame warped back by the flow; with perfect flow it looks like the first."""
    return warp(frame2, field)
