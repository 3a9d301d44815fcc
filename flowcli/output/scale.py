"""One colour scale for a whole sequence, so that equal motion has equal colour in every frame.

A sequence that can be read twice gets a first pass over a few pairs, spread evenly: OpenCV's DIS on small copies, for
each the scale of `viz.choose_scale` for what is textured and consistent both ways, and of all pairs the 90th
percentile, which a scene cut among them does not move. It takes tens of milliseconds per pair, holds nothing, and does
not depend on the network, so that two networks' videos of one clip can be compared. The scale is then fixed: no flicker
by construction, and a resumed job need not know the past.

A pipe can be read only once. Its scale starts with the first pair and follows the motion slowly, faster upwards than
down: colours drift, and never jump.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame
from flowcli.io.frames_resize import resize_frame
from flowcli.io.sources import FrameSource

PAIRS = 16
LONGEST_SIDE = 384
PERCENTILE = 90
# Standard deviation in a window that counts as texture, in levels of 255: well above noise and coding artefacts.
TEXTURE = 8.0
_WINDOW = (9, 9)
# With less texture than this part of a frame, everything consistent is used.
SMALLEST_PART = 0.01

# Largest change per pair of a running scale: at 25 frames per second, doubled in 0.6 s and halved in 2.8 s.
RISE = 1.05
FALL = 0.99


class SequenceScale:
    """The scale in pixels: fixed, or running when none is given.

    Attributes:
        fixed: the scale of every pair, or None.
    """

    def __init__(self, fixed: float | None = None) -> None:
        """Keep `fixed` for ever; None follows what `see` is shown."""
        self.fixed = fixed
        self._value = fixed

    @property
    def value(self) -> float:
        """The length in pixels that gets the full colour now."""
        assert self._value is not None, "a running scale has to see a field first"
        return self._value

    def see(self, field: FlowField) -> None:
        """Follow the motion of `field`, the next of the sequence."""
        from flowcli.viz import choose_scale

        if self.fixed is not None:
            return
        wanted = choose_scale(field)
        if self._value is not None:
            wanted = min(max(wanted, self._value * FALL), self._value * RISE)
        self._value = wanted


def choose_sequence_scale(source: FrameSource) -> SequenceScale:
    """Return the scale for the pictures of `source`, fixed where it can be read twice."""
    if source.is_pair or not source.rereadable or source.count is None:
        return SequenceScale()
    return SequenceScale(measure_scale(source))


def measure_scale(source: FrameSource) -> float:
    """Return the scale in pixels that fits a rereadable source, from PAIRS of its pairs."""
    from flowcli.coarse_to_fine.consistency import find_occlusion
    from flowcli.methods.classical import DisFlow
    from flowcli.viz import choose_scale
    from flowcli.viz.scale import SMALLEST_SCALE, round_up

    factor = min(1.0, LONGEST_SIDE / max(source.size))
    small = (max(1, round(source.size[0] * factor)), max(1, round(source.size[1] * factor)))
    dis = DisFlow()
    scales: list[float] = []
    for frame1, frame2 in source.sample(PAIRS):
        frame1, frame2 = resize_frame(frame1, small), resize_frame(frame2, small)
        forward, backward = dis.estimate([(frame1, frame2), (frame2, frame1)])
        # DIS invents motion where there is no texture, and seldom the same both ways.
        consistent = ~find_occlusion(forward, backward)
        textured = consistent & _find_texture(frame1)
        measured = textured if textured.mean() >= SMALLEST_PART else consistent
        # In the units of the frames, on the small grid: a percentile needs no more pixels.
        uv = forward.uv * np.array([source.size[1] / small[1], source.size[0] / small[0]], np.float32)
        scales.append(choose_scale(FlowField(uv, measured)))
    return round_up(float(np.percentile(scales, PERCENTILE))) if scales else SMALLEST_SCALE


def _find_texture(frame: Frame) -> NDArray[np.bool_]:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = cv2.blur(grey**2, _WINDOW) - cv2.blur(grey, _WINDOW) ** 2
    return np.asarray(variance > TEXTURE**2)
