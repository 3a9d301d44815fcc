"""An initial flow of both directions from OpenCV's DIS.

It stays on the CPU whatever the device: OpenCV has no other form of it, the frames are there anyway, and it is asked
for once per pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.coarse_to_fine.fusion import Directions
from flowcli.flow import Frame
from flowcli.methods.classical import DisFlow

KEPT_PIXELS = 2**22
"""The flow of larger frames is kept at half their size: that is where DIS finds it, and a quarter of the memory."""

SEEN_PIXELS = 2**24
"""Larger frames are halved for DIS, whose own memory grows with them."""


def estimate_initial_flow(pairs: Sequence[tuple[Frame, Frame]], device: torch.device) -> Directions:
    """Estimate pairs of uint8 `(H, W, 3)` RGB frames of one size; the flow is of their size or half of it."""
    method = DisFlow()

    def estimate(frame1: Frame, frame2: Frame) -> NDArray[np.float32]:
        height, width = frame1.shape[:2]
        half = (-(-width // 2), -(-height // 2))
        if height * width > SEEN_PIXELS:
            frame1, frame2 = (
                np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.uint8)
                for frame in (frame1, frame2)
            )
            return method.estimate([(frame1, frame2)])[0].uv.transpose(2, 0, 1)
        uv = method.estimate([(frame1, frame2)])[0].uv
        if height * width > KEPT_PIXELS:
            scale = np.array([half[0] / width, half[1] / height], np.float32)
            uv = np.asarray(cv2.resize(uv, half, interpolation=cv2.INTER_AREA), np.float32) * scale
        return uv.transpose(2, 0, 1)

    def stack(fields: Iterable[NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.stack(list(fields))).to(device)

    forward = stack(estimate(frame1, frame2) for frame1, frame2 in pairs)
    return Directions(forward, stack(estimate(frame2, frame1) for frame1, frame2 in pairs))
