"""Results as one stream of bytes, for the next program of a pipe: what `-o -` and `-v -` write to standard output.

Flow: whole .flo files one after the other (each says its size), or with `raw` the bare float32 u, v in native byte
order, row by row, NaN where unknown. Pictures: a y4m video (YUV4MPEG2, 4:4:4, 8 bits, BT.601 as programs assume where a
stream does not say it), or with `raw` the bare RGB24. Pictures come at a constant rate: neither has times.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flowcli.flow import FlowField, Frame


@dataclass(frozen=True)
class ByteStream:
    """Where bytes go.

    Attributes:
        write: takes them, all at once; raises OutputError, or SystemExit if the reader has gone.
        raw: without headers.
    """

    write: Callable[[bytes], None]
    raw: bool = False


class FlowStream(AbstractContextManager["FlowStream"]):
    """Writes flow to a stream, one field after the other."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def __exit__(self, *error: object) -> None:
        """Nothing is left to do."""

    def write(self, name: str, item: FlowField, time: Fraction, duration: Fraction) -> None:
        """Write one field; see Sink."""
        from flowcli.io.flow.flo import encode_flo

        self._stream.write(item.uv.tobytes() if self._stream.raw else encode_flo(item))


class PictureStream(AbstractContextManager["PictureStream"]):
    """Writes pictures of one size to a stream."""

    def __init__(self, stream: ByteStream, fps: Fraction, aspect: Fraction) -> None:
        self._stream, self._fps, self._aspect = stream, fps, aspect
        self._size: tuple[int, int] | None = None

    def __exit__(self, *error: object) -> None:
        """Nothing is left to do."""

    def write(self, name: str, item: Frame, time: Fraction, duration: Fraction) -> None:
        """Write one picture, uint8 `(H, W, 3)`; see Sink."""
        if self._stream.raw:
            self._stream.write(np.ascontiguousarray(item).tobytes())
            return
        height, width = item.shape[:2]
        header = b""
        if self._size is None:
            self._size = height, width
            fps, aspect = self._fps, self._aspect
            header = (
                f"YUV4MPEG2 W{width} H{height} F{fps.numerator}:{fps.denominator} Ip "
                f"A{aspect.numerator}:{aspect.denominator} C444\n"
            ).encode()
        self._stream.write(header + b"FRAME\n" + _to_planes(item))


def _to_planes(picture: Frame) -> bytes:
    from av.video.frame import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
        format="yuv444p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
    )
    height, width = picture.shape[:2]
    # Rows may be longer than the picture is wide.
    planes = (np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes)
    return b"".join(plane[:height, :width].tobytes() for plane in planes)
