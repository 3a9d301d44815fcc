"""Which values of deep images become black and white: one range for both frames of a pair and all of a sequence.

Frames are 8-bit: OpenCV's flow and refinement take nothing else, the networks were trained on it, and no more is to be
had, for the eighth bit is worth one percent of the error (`python tests/frame_bits.py`). What decides is *which* 8
bits. A 12-bit camera fills a sixteenth of a 16-bit file, and its upper 8 bits are next to nothing. So the range is
taken from the values that occur, and widened to a power of two: each of the 256 levels then stands for equally many
values, no pattern of uneven steps appears, and a pair that is 8 bits by another name comes out as those 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import Frame
from flowcli.io.image.stored import Plane, StoredImage, strips

LEVELS = 256
# Of the sampled values; what lies beyond in a few pixels (hot pixels, specks) may be clipped.
PERCENTILES = (0.05, 99.95)
_SAMPLES_PER_IMAGE = 2**16
# Zero stays black unless that leaves less than this part of the levels to the values that occur.
_LEAST_PART = 1 / 4
_FEWEST_BITS = 6


@dataclass(frozen=True)
class ValueRange:
    """Stored values `low`, which becomes black, to `high`, which becomes white.

    Raises:
        ValueError: they are not finite, or `low` is not below `high`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"expected LOW:HIGH with LOW below HIGH, got {self}")

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.low:.9g}:{self.high:.9g}"


# What the user asks for, and what is decided for a sequence.
RangeChoice: TypeAlias = ValueRange | Literal["auto", "full"]
ChosenRange: TypeAlias = ValueRange | Literal["full"]


def parse_range(text: str) -> RangeChoice:
    """Read `auto`, `full` or `LOW:HIGH`; raises ValueError on anything else."""
    if text == "auto" or text == "full":
        return text
    low, colon, high = text.partition(":")
    try:
        if colon:
            return ValueRange(float(low), float(high))
    except ValueError as error:
        if "LOW below HIGH" in str(error):
            raise
    raise ValueError(f"expected auto, full or LOW:HIGH in the files' own values, such as 0:4095, got {text!r}")


def choose_range(images: Iterable[StoredImage], choice: RangeChoice) -> ChosenRange:
    """Return the range for images that belong together; those after the first are looked at only if it is deep.

    Files of 8 bits among deeper ones can only be compared by what each format calls black and white.
    """
    if choice != "auto":
        return choice
    parts: list[NDArray[np.float64]] = []
    integers = True
    for image in images:
        if not image.is_deep:
            return "full"
        for plane in image.planes:
            integers = integers and plane.dtype.kind in "iu"
            parts.append(_sample(plane))
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return ValueRange(0, 1)
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    if low == high:
        low, high = float(values.min()), float(values.max())
    return _widen_integers(math.floor(low), math.ceil(high)) if integers else _widen_floats(low, high)


def to_frame(image: StoredImage, chosen: ChosenRange) -> Frame:
    """Return the image as uint8 `(H, W, 3)` RGB.

    Args:
        image: of any depth.
        chosen: what becomes black to white, clipped beyond; "full" leaves 8 bits as they are, and takes what the
            format calls black and white for more, 0 to 1 for floats.
    """
    if chosen == "full":
        if image.frame is not None:
            return image.frame
        chosen = ValueRange(*(image.full or (0.0, 1.0)))
    frame = np.empty((*image.size, 3), np.uint8)
    for channel in range(3):
        if channel < len(image.planes):
            _map_plane(image.planes[channel], chosen, frame[..., channel])
        else:
            frame[..., channel] = frame[..., 0]
    return frame


def _map_plane(plane: Plane, values: ValueRange, target: NDArray[np.uint8]) -> None:
    table = None
    if plane.dtype in (np.uint8, np.uint16):
        table = _to_levels(np.arange(np.iinfo(plane.dtype).max + 1), values, integers=True)
    for rows in strips(*plane.shape):
        strip = plane[rows]
        target[rows] = (
            table[strip] if table is not None else _to_levels(strip, values, integers=plane.dtype.kind in "iu")
        )


def _to_levels(samples: NDArray[np.generic], values: ValueRange, *, integers: bool) -> NDArray[np.uint8]:
    # Each level is a bin of equal width: 16 full bits keep their upper 8, and 0 to 511 lose their last bit.
    width = values.high - values.low + (1 if integers else 0)
    levels = (samples.astype(np.float64) - values.low) * (LEVELS / width)
    return np.nan_to_num(levels, nan=0.0, posinf=LEVELS, neginf=0.0).clip(0, LEVELS - 1).astype(np.uint8)


def _sample(plane: Plane) -> NDArray[np.float64]:
    # The median of a pixel and its neighbours: a hot pixel is no brightness of the scene.
    height, width = plane.shape
    step = max(1, math.isqrt(height * width // _SAMPLES_PER_IMAGE))
    if height < 3 or width < 3:
        return plane[::step, ::step].astype(np.float64).ravel()
    places = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    # Of equal shape whatever the rest of the division.
    crosses = [plane[y : height - 2 + y : step, x : width - 2 + x : step].astype(np.float64) for y, x in places]
    return np.sort(crosses, axis=0)[2].ravel()


def _widen_integers(low: int, high: int) -> ValueRange:
    bits = max(8, high.bit_length())
    span = high - low + 1
    if (low >= 0 and span >= _LEAST_PART * 2**bits) or (low >= 0 and bits == 8):
        return ValueRange(0, 2**bits - 1)
    width = 2 ** max(_FEWEST_BITS, (span - 1).bit_length())
    step = max(1, width // LEVELS)
    start = (low + high + 1 - width) // 2 // step * step
    return ValueRange(start if low < 0 else max(0, start), start + width - 1 if low < 0 else max(0, start) + width - 1)


def _widen_floats(low: float, high: float) -> ValueRange:
    if low == high:
        return ValueRange(low - 0.5, low + 0.5) if not 0 <= low <= 1 else ValueRange(0, 1)
    span = high - low
    # A little below zero is what resampling leaves of black.
    if high > 0 and low >= -high / LEVELS:
        top = 2.0 ** math.ceil(math.log2(high))
        if span >= _LEAST_PART * top:
            return ValueRange(0, top)
    width = 2.0 ** math.ceil(math.log2(span))
    middle = (low + high) / 2
    return ValueRange(middle - width / 2, middle + width / 2)


def describe_range(values: ValueRange, image: StoredImage) -> str:
    """Return the words for the user about a range that was chosen for a sequence, of which this is one image."""
    kind, full = image.planes[0].dtype, image.full
    depth = f"{kind.itemsize * 8}-bit {'floats' if kind.kind == 'f' else 'samples'}"
    if full is not None and kind.kind == "u":
        depth = f"{math.ceil(math.log2(full[1] + 1))}-bit samples"
    return f"{depth}: the values {values} become black to white in every frame; --range LOW:HIGH or full sets others"
