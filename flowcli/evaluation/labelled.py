"""A frame pair with known flow, as every data set describes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField


@dataclass(frozen=True)
class LabelledPair:
    """Paths of one pair; nothing is decoded before it is asked for.

    Attributes:
        dataset: the data set the pair's errors are added to.
        name: what the pair is called within its data set.
        frame1: image file.
        frame2: image file.
        read_truth: decodes the true flow from frame 1 to frame 2.
        read_matched: decodes bool `(H, W)`, True where the point is visible in frame 2; None where there is no mask.
        truth_factor: truth samples per pixel and axis (2 for Spring: 4K truth for 1080p frames).
    """

    dataset: str
    name: str
    frame1: Path
    frame2: Path
    read_truth: Callable[[], FlowField]
    read_matched: Callable[[], NDArray[np.bool_]] | None = None
    truth_factor: int = 1
