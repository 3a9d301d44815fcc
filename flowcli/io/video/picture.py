"""Decoded frames to pictures: upright, and in the colours of a screen.

Videos in high dynamic range (ITU-R BT.2100: the PQ and HLG curves, with the wide primaries of BT.2020) are mapped to
the range and the primaries that 8-bit pictures have, BT.709. Light up to 203 cd/m2, the reference white of BT.2408,
keeps its brightness as far as its half; above, the curve bends so that 1000 cd/m2 still fit.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import cv2
import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import Frame

# ITU-T H.273, table 3: transfer characteristics.
_PQ, _HLG = 16, 18
CURVES = {_PQ: "PQ", _HLG: "HLG"}
_WHITE, _PEAK = 203.0, 1000.0
# Where the tone curve begins to bend, of reference white.
_KNEE = 0.5
# Linear BT.2020 to linear BT.709, ITU-R BT.2087.
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_STEPS = 4096

# Rows (a, b) and (c, d): the pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift.
Matrix = tuple[tuple[int, int], tuple[int, int]]


class PictureMaker:
    """Makes pictures of the frames of one video.

    Attributes:
        matrix: how the pixels have to be turned.
        curve: "PQ" or "HLG" for high dynamic range, else None.
    """

    def __init__(self, first: VideoFrame, name: str) -> None:
        """Look at the first frame, what it says holds for all; `name` of the video is for messages."""
        self._name = name
        # Once, for all: a frame and its side data hold each other, and would wait for Python's collector of cycles.
        self.matrix = _display_matrix(first)
        self.curve = CURVES.get(first.color_trc)
        self._transfer = first.color_trc
        self._reformatter = VideoReformatter()

    @property
    def is_turned(self) -> bool:
        """Whether width and height change places."""
        (a, b), _ = self.matrix
        return abs(b) > abs(a)

    def make(self, frame: VideoFrame) -> Frame:
        """Return uint8 `(H, W, 3)` RGB, upright; raises FormatError where FFmpeg cannot convert it."""
        if self.curve is None:
            pixels = np.asarray(self._reformat(frame, "rgb24"), np.uint8)
        else:
            pixels = _map_tones(np.asarray(self._reformat(frame, "rgb48le"), np.uint16), self._transfer)
        return _upright(pixels, self.matrix)

    def _reformat(self, frame: VideoFrame, format: str) -> NDArray[np.generic]:
        try:
            return self._reformatter.reformat(frame, format=format).to_ndarray()
        except FFmpegError as error:
            # Such as one row that calls itself interlaced.
            size = f"{frame.width}x{frame.height} {frame.format.name}"
            raise FormatError(f"{self._name}: a frame of {size} cannot be turned into RGB: {error.strerror}") from None


def _display_matrix(frame: VideoFrame) -> Matrix:
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # Side data of a kind that PyAV has no name for, such as EXIF.
        data = _without_unknown_side_data(frame).side_data.get("DISPLAYMATRIX")
    if data is None or len(bytes(data)) != 36:
        return (1, 0), (0, 1)
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(data), np.int32).reshape(3, 3).tolist()
    return (a, b), (c, d)


def _without_unknown_side_data(frame: VideoFrame) -> VideoFrame:
    from av.sidedata.sidedata import Type

    known = {kind.value for kind in Type}
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    # FFmpeg's kinds are numbered from 0 on; there were 32 in version 8.
    for number in range(64):
        if number not in known:
            drop = graph.add("sidedata", f"mode=delete:type={number}")
            last.link_to(drop)
            last = drop
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    graph.vpush(frame)
    return graph.vpull()


def _upright(pixels: Frame, matrix: Matrix) -> Frame:
    # Quarter turns and mirrors; any other angle is left to the player.
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):
        pixels, vertical, horizontal = pixels.transpose(1, 0, 2), b, c
    else:
        vertical, horizontal = d, a
    if vertical < 0:
        pixels = pixels[::-1]
    if horizontal < 0:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _map_tones(pixels: NDArray[np.uint16], transfer: int) -> Frame:
    # uint16 RGB in PQ or HLG to uint8 RGB in BT.709.
    light = _to_light(transfer)[pixels]
    if transfer == _HLG:
        # BT.2100: the display's curve acts on brightness, not on each colour.
        luma = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light *= (_PEAK / _WHITE) * np.maximum(luma, 1e-6)[..., None] ** np.float32(0.2)
    # The strongest colour decides, and all three are dimmed alike: hues stay.
    strongest = np.maximum(light.max(2), np.float32(1e-6))
    light *= (_compress(strongest) / strongest)[..., None]
    narrow = np.clip(cv2.transform(light, _TO_BT709), 0, 1)
    return _to_screen()[np.rint(narrow * (_STEPS - 1)).astype(np.uint16)]


@cache
def _to_light(transfer: int) -> NDArray[np.float32]:
    # Of every 16-bit value: for PQ light in units of reference white, for HLG that of the scene from 0 to 1.
    value = np.arange(65536) / 65535
    if transfer == _PQ:
        # SMPTE ST 2084.
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = value ** (1 / m2)
        return (10_000 / _WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)).astype(np.float32)
    # ARIB STD-B67.
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12).astype(np.float32)


def _compress(light: NDArray[np.float32]) -> NDArray[np.float32]:
    # Straight up to the knee, then a hyperbola with the same slope there that reaches 1 at the peak.
    room, excess, most = 1 - _KNEE, np.maximum(light - _KNEE, 0), _PEAK / _WHITE - _KNEE
    bend = 1 / room - 1 / most
    return np.minimum(np.where(light <= _KNEE, light, _KNEE + excess / (1 + bend * excess)), 1).astype(np.float32)


@cache
def _to_screen() -> NDArray[np.uint8]:
    # Of linear light in _STEPS: what a screen needs, sRGB (IEC 61966-2-1).
    light = np.linspace(0, 1, _STEPS)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * value).astype(np.uint8)
