"""Raw RGB24 frames from a pipe: `ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 - | flowcli estimate - --size WxH`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from flowcli.errors import FormatError, UsageError
from flowcli.flow import Frame
from flowcli.io.limits import MAX_PIXELS
from flowcli.io.sources.base import Footage


class RawReader:
    """Frames of known size, back to back, until the stream ends; can be read once.

    Args:
        stream: binary, at its first byte; 3 bytes R, G, B per pixel, rows from the top, no padding.
        size: (height, width).
        fps: nominal rate, frames per second.
    """

    def __init__(self, stream: BinaryIO, size: tuple[int, int], fps: Fraction) -> None:
        height, width = size
        if height * width > MAX_PIXELS:
            raise UsageError(f"--size: expected at most {MAX_PIXELS} pixels (8192x8192), got {width}x{height}")
        self._stream = stream
        self.footage = Footage("stdin", size, fps, length=None, rereadable=False)

    def name(self, index: int) -> str:
        """Return `frame_` and the frame's number."""
        return f"frame_{index:06d}"

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield frames first, first + step, ...; see FrameReader. Raises FormatError if the last frame is cut short."""
        height, width = self.footage.size
        promised = height * width * 3
        index = 0
        while stop is None or index < stop:
            frame = np.empty((height, width, 3), np.uint8)
            found = self._fill(frame.data.cast("B"))
            if found == 0:
                return
            if found < promised:
                raise FormatError(
                    f"stdin: expected frames of {promised} bytes ({width}x{height} RGB24), frame {index} has {found}; "
                    "check --size and the pixel format"
                )
            if index >= first and (index - first) % step == 0:
                yield frame
            index += 1

    def _fill(self, target: memoryview) -> int:
        filled = 0
        while filled < len(target):
            # A pipe gives what it holds at the moment; only 0 bytes mean its end.
            chunk = self._stream.read(len(target) - filled)
            if not chunk:
                break
            target[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return filled
