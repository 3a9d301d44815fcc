"""The flow length that gets the full colour, when the user does not name one."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from flowcli.errors import UsageError
from flowcli.flow import FlowField

# Beyond this part of the lengths there are mostly a few wild pixels at borders and occlusions.
PERCENTILE = 99.5
# Keeps the fast end of a smooth motion below the scale, beyond which colours change abruptly.
HEADROOM = 1.1
# A scene at rest still shows some hundredths of a pixel of noise, which must not be blown up to full colour.
SMALLEST_SCALE = 1.0
COMMON_PERCENTILE = 90
_SAMPLES = 2**17


def choose_scale(field: FlowField) -> float:
    """Return a scale in pixels for one field: the 99.5th percentile of its lengths and a tenth more, at least 1 px.

    Rounded up to two digits, so that it reads well in a legend and small changes between frames do not show. Large
    fields are sampled on a grid: a percentile needs no more, and costs milliseconds then.
    """
    height, width = field.size
    stride = math.ceil(math.sqrt(height * width / _SAMPLES))
    uv = field.uv[::stride, ::stride]
    lengths = np.hypot(uv[..., 0], uv[..., 1])
    lengths = lengths[np.isfinite(lengths)]
    if lengths.size == 0:
        return SMALLEST_SCALE
    return round_up(max(SMALLEST_SCALE, HEADROOM * float(np.percentile(lengths, PERCENTILE))))


def choose_common_scale(fields: Iterable[FlowField]) -> float:
    """Return one scale in pixels for all `fields`: the 90th percentile of their own scales, rounded up.

    A few frames of another shot among them do not move it. The fields are taken one by one; give a sample of a long
    sequence, spread evenly.
    """
    return round_up(float(np.percentile([choose_scale(field) for field in fields], COMMON_PERCENTILE)))


def round_up(scale: float) -> float:
    """Return `scale` rounded up to two significant digits."""
    unit = 10.0 ** (math.floor(math.log10(scale)) - 1)
    # The slack keeps 1.2 at 1.2, although 1.2 / 0.1 is a little more than 12.
    return float(f"{math.ceil(scale / unit - 1e-9) * unit:.2g}")


def check_scale(scale: float) -> None:
    """Raise UsageError unless `scale` is a length that colours can be measured by."""
    if not (math.isfinite(scale) and scale > 0):
        raise UsageError(f"expected a scale in pixels greater than 0, got {scale:g}")
