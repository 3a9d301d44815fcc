"""Methods without weights, for comparison and as an initial flow: zero flow and OpenCV's DIS and Farneback.

All of them are FlowMethods: RGB frame pairs in, one FlowField per pair out; InputError for anything else. None imports
torch, keeps state between calls, or depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import FlowField, Frame, check_pair
from flowcli.options import EstimatorOptions
from flowcli.runtime.ceiling import FLOW, Footprint

# DIS at PRESET_MEDIUM matches patches of 8x8 pixels at half resolution: below 16 pixels a side there is no whole patch.
DIS_SMALLEST_SIDE = 16

DIS_LONGEST_SIDE = 2**15 - 1
"""Pixels; OpenCV's warping counts them in 16 bits."""

DIS_BYTES = 66
"""Per pixel: pyramids of both frames, and the planes of OpenCV's refinement at half their size."""

FARNEBACK_BYTES = 120
"""Per pixel: five coefficients of each frame, five sums, and blurred frames."""


class ZeroFlow:
    """No motion anywhere: the floor that every method has to clear."""

    settings: ClassVar[dict[str, object]] = {"model": "zero"}

    def estimate(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FlowField]:
        """Return a field of zeros for each pair."""
        fields: list[FlowField] = []
        for frame1, frame2 in pairs:
            check_pair(frame1, frame2)
            fields.append(FlowField(np.zeros((*frame1.shape[:2], 2), np.float32)))
        return fields

    def footprint(self, size: tuple[int, int], both: bool) -> Footprint:
        """Return the memory that a pair takes; see FlowMethod."""
        return Footprint(FLOW * (1 + both) * size[0] * size[1])


class DisFlow:
    """Dense inverse search on grey frames, OpenCV's PRESET_MEDIUM (Kroeger et al., ECCV 2016).

    Frames with a side below 16 pixels are enlarged to 16 by repeating their edges, and the flow is cropped back.
    """

    settings: ClassVar[dict[str, object]] = {"model": "dis"}

    def estimate(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FlowField]:
        """Return the flow of each pair; see FlowMethod."""
        return [self._flow(frame1, frame2) for frame1, frame2 in pairs]

    def footprint(self, size: tuple[int, int], both: bool) -> Footprint:
        """Return the memory that a pair takes; see FlowMethod."""
        return Footprint((DIS_BYTES + FLOW * both) * size[0] * size[1])

    def _flow(self, frame1: Frame, frame2: Frame) -> FlowField:
        grey1, grey2 = _grey_pair(frame1, frame2)
        height, width = grey1.shape
        if max(height, width) > DIS_LONGEST_SIDE:
            raise InputError(
                f"expected frames of at most {DIS_LONGEST_SIDE} pixels a side for dis, got {width}x{height}"
            )
        missing_rows, missing_columns = (max(0, DIS_SMALLEST_SIDE - side) for side in (height, width))
        top, left = missing_rows // 2, missing_columns // 2
        border = (top, missing_rows - top, left, missing_columns - left)
        grey1, grey2 = (cv2.copyMakeBorder(grey, *border, cv2.BORDER_REPLICATE) for grey in (grey1, grey2))
        # OpenCV's object adapts its own settings to the frame size and keeps them, so each pair gets a new one.
        method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # None: without an initial flow. OpenCV's stubs do not know that it may be left out.
        flow = np.asarray(method.calc(grey1, grey2, None), np.float32)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return FlowField(np.ascontiguousarray(flow[top : top + height, left : left + width]))


class FarnebackFlow:
    """Polynomial expansion on grey frames (Farnebäck, SCIA 2003), with the settings of OpenCV's examples, 5 levels."""

    settings: ClassVar[dict[str, object]] = {"model": "farneback"}

    def estimate(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FlowField]:
        """Return the flow of each pair; see FlowMethod."""
        return [self._flow(frame1, frame2) for frame1, frame2 in pairs]

    def footprint(self, size: tuple[int, int], both: bool) -> Footprint:
        """Return the memory that a pair takes; see FlowMethod."""
        return Footprint((FARNEBACK_BYTES + FLOW * both) * size[0] * size[1])

    def _flow(self, frame1: Frame, frame2: Frame) -> FlowField:
        grey1, grey2 = _grey_pair(frame1, frame2)
        start = np.zeros((*grey1.shape, 2), np.float32)
        flow = cv2.calcOpticalFlowFarneback(
            grey1, grey2, start, pyr_scale=0.5, levels=5, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0
        )
        return FlowField(np.asarray(flow, np.float32))


def build_zero(options: EstimatorOptions, checkpoint: None) -> ZeroFlow:
    """Build the method; it has no options."""
    return ZeroFlow()


def build_dis(options: EstimatorOptions, checkpoint: None) -> DisFlow:
    """Build the method; it has no options."""
    return DisFlow()


def build_farneback(options: EstimatorOptions, checkpoint: None) -> FarnebackFlow:
    """Build the method; it has no options."""
    return FarnebackFlow()


def _grey_pair(frame1: Frame, frame2: Frame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    check_pair(frame1, frame2)
    grey1, grey2 = (np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in (frame1, frame2))
    return grey1, grey2
