"""A chart of labelled points on two logarithmic axes, drawn with OpenCV alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import cv2
import numpy as np

from flowcli.flow import Frame

Shape = Literal["disc", "square", "triangle", "diamond"]
Colour = tuple[int, int, int]
_Box = tuple[float, float, float, float]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FINE = 2
"""Everything is drawn this many times larger, then averaged down."""
_INK, _GREY, _PAPER = (30, 30, 30), (225, 225, 225), (255, 255, 255)
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 28, 56, 92
_MARK = 6.0
_TEXT, _SMALL = 0.5, 0.42


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        label: ASCII, written beside it.
        x: more than 0.
        y: more than 0.
        low: least x, the left end of a thin line through the point.
        high: largest x, its right end.
        colour: RGB.
        shape: of the mark.
        joined: points with the same text here are joined by a line, in order; empty: by none.
    """

    label: str
    x: float
    y: float
    low: float
    high: float
    colour: Colour = (40, 90, 200)
    shape: Shape = "disc"
    joined: str = ""


def draw_chart(
    points: Sequence[Point], title: str, x_label: str, y_label: str, note: str = "", size: tuple[int, int] = (640, 960)
) -> Frame:
    """Draw points on logarithmic axes, each with its label where it covers nothing else.

    Args:
        points: at least one.
        title: above.
        x_label: below the x axis, with its unit.
        y_label: above the y axis, with its unit.
        note: at the bottom, small.
        size: (height, width) in pixels.

    Returns:
        uint8 `(H, W, 3)` RGB.
    """
    height, width = size
    canvas = _Canvas(size)
    across = _Axis([v for p in points for v in (p.low, p.x, p.high)], _LEFT, width - _RIGHT)
    up = _Axis([p.y for p in points], height - _BOTTOM, _TOP)
    for value in across.ticks():
        x = across.place(value)
        canvas.line((x, _TOP), (x, height - _BOTTOM), _GREY)
        canvas.text(_number(value), (x, height - _BOTTOM + 18), _SMALL, "middle")
    for value in up.ticks():
        y = up.place(value)
        canvas.line((_LEFT, y), (width - _RIGHT, y), _GREY)
        canvas.text(_number(value), (_LEFT - 8, y + 4), _SMALL, "end")
    corners = ((_LEFT, _TOP), (_LEFT, height - _BOTTOM), (width - _RIGHT, height - _BOTTOM))
    for start, end in pairwise(corners):
        canvas.line(start, end, _INK)
    canvas.text(title, (_LEFT, 24), 0.62)
    canvas.text(y_label, (_LEFT - 60, _TOP - 10), _SMALL)
    canvas.text(x_label, ((_LEFT + width - _RIGHT) / 2, height - _BOTTOM + 42), _TEXT, "middle")
    canvas.text(note, (_LEFT - 60, height - 14), _SMALL, fit=width - 40)
    places = [(across.place(p.x), up.place(p.y)) for p in points]
    for name in dict.fromkeys(p.joined for p in points if p.joined):
        chain = [(place, p.colour) for place, p in zip(places, points, strict=True) if p.joined == name]
        for (start, colour), (end, _) in pairwise(chain):
            canvas.line(start, end, _pale(colour), 2)
    taken: list[_Box] = []
    for (x, y), p in zip(places, points, strict=True):
        low, high = across.place(p.low), across.place(p.high)
        canvas.line((low, y), (high, y), _pale(p.colour))
        canvas.mark((x, y), p.shape, p.colour)
        taken += [(x - _MARK - 2, y - _MARK - 2, x + _MARK + 2, y + _MARK + 2), (low, y - 2, high, y + 2)]
    frame = (_LEFT + 2, _TOP, width - 4, height - _BOTTOM - 2)
    for place, p in zip(places, points, strict=True):
        box = _find_room(place, canvas.measure(p.label, _TEXT), frame, taken)
        taken.append(box)
        canvas.text(p.label, (box[0] + 2, box[3] - 3), _TEXT, colour=_dark(p.colour))
    return canvas.finish()


class _Axis:
    """A logarithmic axis from one place in pixels to another."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        # Room at both ends, and never less than a factor of about two.
        room = max(0.08 * (high - low), 0.15 - (high - low) / 2, 0.06)
        self._low, self._high, self._start, self._end = low - room, high + room, start, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Yield 1, 2 and 5 times powers of ten that lie on the axis; on one of less than a decade, more between."""
        digits = (1, 2, 5) if self._high - self._low > 1 else (1, 1.5, 2, 3, 4, 5, 6, 8)
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            for digit in digits:
                value = digit * 10.0**power
                if self._low <= math.log10(value) <= self._high:
                    yield value


class _Canvas:
    """A picture to draw on in pixels of the finished one."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._pixels = np.full((size[0] * _FINE, size[1] * _FINE, 3), _PAPER, np.uint8)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: int = 1) -> None:
        cv2.line(self._pixels, _fine(start), _fine(end), colour, width * _FINE, cv2.LINE_AA)

    def mark(self, place: tuple[float, float], shape: Shape, colour: Colour) -> None:
        x, y = place
        r = _MARK
        if shape == "disc":
            cv2.circle(self._pixels, _fine(place), round(r * _FINE), colour, -1, cv2.LINE_AA)
            return
        corners = {
            "square": [(-r, -r), (r, -r), (r, r), (-r, r)],
            "triangle": [(0, -1.2 * r), (1.1 * r, 0.9 * r), (-1.1 * r, 0.9 * r)],
            "diamond": [(0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)],
        }[shape]
        polygon = np.array([_fine((x + dx, y + dy)) for dx, dy in corners], np.int32)
        cv2.fillConvexPoly(self._pixels, polygon, colour, cv2.LINE_AA)

    def measure(self, text: str, scale: float) -> tuple[float, float]:
        (width, height), below = cv2.getTextSize(text, _FONT, scale * _FINE, _FINE)
        return width / _FINE + 4, (height + below) / _FINE + 3

    def text(
        self,
        text: str,
        place: tuple[float, float],
        scale: float,
        anchor: Literal["start", "middle", "end"] = "start",
        colour: Colour = _INK,
        fit: float | None = None,
    ) -> None:
        # OpenCV's fonts have no other letters.
        text = text.encode("ascii", "replace").decode()
        width = self.measure(text, scale)[0]
        if fit is not None and width > fit:
            scale, width = scale * fit / width, fit
        left = place[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
        cv2.putText(self._pixels, text, _fine((left, place[1])), _FONT, scale * _FINE, colour, _FINE, cv2.LINE_AA)

    def finish(self) -> Frame:
        small = cv2.resize(self._pixels, self._size[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)


def _find_room(place: tuple[float, float], size: tuple[float, float], frame: _Box, taken: Sequence[_Box]) -> _Box:
    # The nearest of many places around a point where a label covers least; beside and above come first.
    (x, y), (width, height) = place, size
    best: tuple[float, _Box] | None = None
    for step, (across, down) in product(
        (1, 2, 3, 4), ((0.5, -1), (1, 0), (-1, 0), (-0.5, -1), (0, -1), (0, 1), (1, 1))
    ):
        gap = _MARK + 3 + (step - 1) * 9
        centre_x = x + across * (width / 2 + gap)
        centre_y = y + down * (height / 2 + gap)
        box = (centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
        outside = width * height - _overlap(box, frame)
        cost = 4 * outside + sum(_overlap(box, other) for other in taken)
        if best is None or cost < best[0]:
            best = cost, box
        if cost < 1e-6:
            break
    assert best is not None
    return best[1]


def _overlap(a: _Box, b: _Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _fine(place: tuple[float, float]) -> tuple[int, int]:
    return round(place[0] * _FINE), round(place[1] * _FINE)


def _pale(colour: Colour) -> Colour:
    return (_mix(colour[0]), _mix(colour[1]), _mix(colour[2]))


def _mix(level: int) -> int:
    return round(0.45 * level + 0.55 * 255)


def _dark(colour: Colour) -> Colour:
    return (round(0.75 * colour[0]), round(0.75 * colour[1]), round(0.75 * colour[2]))


def _number(value: float) -> str:
    return f"{value:g}"
