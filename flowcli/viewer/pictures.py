"""Frames as images that every browser shows: PNG where that is small, JPEG of good quality otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from flowcli.flow import Frame

JPEG_QUALITY = 92
# Below this a lossless picture costs little, and every colour is that of the frame.
_SMALL_PNG = 2**18


@dataclass(frozen=True)
class PackedFrame:
    """An encoded image: its bytes and their media type."""

    data: bytes
    type: str

    @property
    def exact(self) -> bool:
        """Whether its colours are those of the frame."""
        return self.type == "image/png"


def pack_frame(frame: Frame) -> PackedFrame:
    """Encode uint8 `(H, W, 3)` RGB."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    if frame.size <= 4 * _SMALL_PNG:
        _, png = cv2.imencode(".png", bgr)
        if png.nbytes <= _SMALL_PNG:
            return PackedFrame(png.tobytes(), "image/png")
    full_color = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *full_color])
    return PackedFrame(np.asarray(jpeg).tobytes(), "image/jpeg")
