"""The pairs of a page, packed as they come, so that the page stays below a limit whatever is put in.

What is given up for that, in this order: digits (see `planes`), down to 1/64 px; every second and then three of four
pairs; every second row and column, down to 320 px; more pairs. A stream of unknown length is thinned as it grows. What
was done is in `notes`, which the page and the command line show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import FlowField, Frame, check_frame
from flowcli.viewer.pictures import PackedFrame, pack_frame
from flowcli.viewer.planes import PackedFlow, Plane, pack_flow, pack_plane
from flowcli.viz.scale import COMMON_PERCENTILE, choose_scale, round_up

DEFAULT_LIMIT = 64 * 10**6
"""Bytes of a page."""
MAILABLE = 7_800_000
"""Bytes of a page of one pair: digits beyond 1/64 px are given up above that."""
_SCRIPT_BYTES = 150_000
_BASE64 = 4 / 3
_LEAST_SIDE = 320
_MOST_SKIPPED = 4


@dataclass(frozen=True, eq=False)
class ViewedPair:
    """What a page shows of one pair; all arrays on the grid of frame 1, `(H, W)`.

    Attributes:
        name: of the pair.
        flows: one field, or two to be compared: the second is the reference.
        frame1: uint8 `(H, W, 3)`, or None.
        frame2: the same, or None.
        time: seconds after the first pair.
        occluded: bool, where frame 2 does not show the content; of the first field.
        confidence: float32 in 0..1; of the first field.
        errors: of the first field against the second, as the project's metrics give them: key -> value.
    """

    name: str
    flows: tuple[FlowField, ...]
    frame1: Frame | None = None
    frame2: Frame | None = None
    time: Fraction = Fraction(0)
    occluded: NDArray[np.bool_] | None = None
    confidence: NDArray[np.float32] | None = None
    errors: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PackedPair:
    """A pair as bytes; frames may be shared with neighbours."""

    name: str
    index: int
    time: float
    size: tuple[int, int]
    reduction: int
    flows: tuple[PackedFlow, ...]
    frames: tuple[PackedFrame | None, PackedFrame | None]
    occluded: Plane | None
    confidence: Plane | None
    errors: Mapping[str, float | None]

    @property
    def bytes_of_planes(self) -> int:
        """Bytes without the frames."""
        masks = sum(len(mask.data) for mask in (self.occluded, self.confidence) if mask is not None)
        return masks + sum(flow.size for flow in self.flows)


class Clip:
    """Collects pairs.

    Attributes:
        kept: the packed pairs, in order.
        step: one of so many pairs is kept.
        reduction: one of so many rows and columns is kept.
        seen: number of pairs that were offered.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT, count: int | None = None) -> None:
        """Begin.

        Args:
            limit: bytes of the page.
            count: number of pairs that will come, None if nobody knows.
        """
        self._limit = limit
        self._room = max(0, limit - _SCRIPT_BYTES) / _BASE64
        self._count = count
        self.kept: list[PackedPair] = []
        self.step, self.reduction, self.seen = 1, 1, 0
        self._scales: dict[int, float] = {}
        self._last: tuple[Frame, PackedFrame] | None = None

    def wants(self, index: int) -> bool:
        """Say whether pair `index`, counted from 0, would be kept; what is not wanted need not be computed."""
        return index % self.step == 0

    def skip(self) -> None:
        """Count a pair that is not wanted."""
        self.seen += 1

    def add(self, pair: ViewedPair) -> None:
        """Take in the next pair.

        Raises:
            InputError: sizes that do not fit each other, or a limit below what one pair takes.
        """
        check_pair_sizes(pair)
        index, self.seen = self.seen, self.seen + 1
        if not self.wants(index):
            return
        packed = self._pack(pair, index)
        if index == 0:
            while self._plan(packed):
                packed = self._pack(pair, index)
        self.kept.append(packed)
        self._scales[index] = choose_scale(pair.flows[-1])
        while self._bytes() > self._room:
            if len(self.kept) == 1:
                raise InputError(
                    f"expected a limit above {(self._bytes() * _BASE64 + _SCRIPT_BYTES) / 1e6:.1f} MB for a page with "
                    f"one pair, got {self._limit / 1e6:g}; raise --size-limit"
                )
            self.step *= 2
            self.kept = [one for one in self.kept if one.index % self.step == 0]

    @property
    def scale(self) -> float:
        """Length in pixels that gets the full colour, for all pairs."""
        scales = [self._scales[pair.index] for pair in self.kept]
        return round_up(float(np.percentile(scales, COMMON_PERCENTILE)))

    @property
    def notes(self) -> list[str]:
        """What was left out to keep the page small, a line each."""
        notes: list[str] = []
        if self.step > 1:
            notes.append(f"one of {self.step} pairs is shown: {len(self.kept)} of {self.seen}")
        if self.reduction > 1:
            n = self.reduction
            notes.append(f"one of {n} rows and columns is shown; flow and positions are in pixels of the original")
        # Of rounded fields the coarsest step counts.
        rounded = [flow.step for pair in self.kept for flow in pair.flows if not flow.exact]
        if rounded:
            notes.append(f"flow is rounded to 1/{round(1 / max(rounded))} px")
        if notes:
            notes[-1] += "; --size-limit says how large the page may be" if self.step * self.reduction > 1 else ""
        return notes

    def pictures(self) -> Iterator[PackedFrame]:
        """Yield every frame that is stored, once."""
        seen: set[int] = set()
        for pair in self.kept:
            for frame in pair.frames:
                if frame is not None and id(frame) not in seen:
                    seen.add(id(frame))
                    yield frame

    def _bytes(self) -> int:
        return sum(pair.bytes_of_planes for pair in self.kept) + sum(len(frame.data) for frame in self.pictures())

    def _plan(self, first: PackedPair) -> bool:
        """Choose step and reduction from the first pair; say whether it has to be packed anew."""
        frames = [len(frame.data) for frame in first.frames if frame is not None]
        count = self._count or 1
        # A frame belongs to two pairs.
        whole = first.bytes_of_planes * count + (sum(frames) if count == 1 else sum(frames) * (count + 1) / 2)
        excess = whole / self._room if self._room else 2.0
        while excess > 1 and self.step < min(_MOST_SKIPPED, count):
            self.step, excess = self.step * 2, excess / 2
        halves = excess > 1 and min(first.size) >= 2 * _LEAST_SIDE
        if halves:
            self.reduction, self.step = self.reduction * 2, 1
        return halves

    def _pack(self, pair: ViewedPair, index: int) -> PackedPair:
        n = self.reduction
        size = pair.flows[0].size
        small = (-(-size[0] // n), -(-size[1] // n))
        frames = tuple(
            None if frame is None else self._pack_frame(frame, small) for frame in (pair.frame1, pair.frame2)
        )
        taken = sum(len(frame.data) for frame in frames if frame is not None)
        room = min(MAILABLE / _BASE64, self._room)
        if self._count is not None:
            room = min(room, self._room / max(1, self._count))
        budget = int(max(0, room - taken - _SCRIPT_BYTES) / len(pair.flows))
        confidence = pair.confidence
        return PackedPair(
            name=pair.name,
            index=index,
            time=float(pair.time),
            size=small,
            reduction=n,
            flows=tuple(pack_flow(_thin(flow, n), budget) for flow in pair.flows),
            frames=(frames[0], frames[1]),
            occluded=None if pair.occluded is None else pack_plane(_rows(pair.occluded, n).view(np.uint8)),
            confidence=None if confidence is None else pack_plane(np.rint(_rows(confidence, n) * 255).astype(np.uint8)),
            errors=pair.errors,
        )

    def _pack_frame(self, frame: Frame, size: tuple[int, int]) -> PackedFrame:
        if self._last is not None and self._last[0] is frame and self.reduction == 1:
            return self._last[1]
        shown = frame if frame.shape[:2] == size else cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
        packed = pack_frame(np.asarray(shown, np.uint8))
        self._last = (frame, packed)
        return packed


def check_pair_sizes(pair: ViewedPair) -> None:
    """Raise InputError unless all that is given of a pair has the size of its flow."""
    size = pair.flows[0].size
    given: dict[str, tuple[int, ...]] = {f"flow {n}": flow.size for n, flow in enumerate(pair.flows, 1)}
    for name, frame in (("frame 1", pair.frame1), ("frame 2", pair.frame2)):
        if frame is not None:
            check_frame(frame, name)
            given[name] = frame.shape[:2]
    for name, found in given.items():
        if found != size:
            expected = f"{size[1]}x{size[0]}"
            raise InputError(
                f"{pair.name}: expected {name} of the size of the flow, {expected}, got {found[1]}x{found[0]}"
            )


def _rows(array: NDArray, n: int) -> NDArray:
    return np.ascontiguousarray(array[::n, ::n])


def _thin(field: FlowField, n: int) -> FlowField:
    if n == 1:
        return field
    return FlowField(_rows(field.uv, n), None if field.valid is None else _rows(field.valid, n))
