"""A frame pair with known flow, as every data set describes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField, Frame
from flowcli.io.image import read_images


@dataclass(frozen=True)
class LabelledPair:
    """One pair; nothing is decoded or rendered before it is asked for.

    Attributes:
        dataset: the data set the pair's errors are added to.
        name: what the pair is called within its data set.
        frame1: image file, or what makes the frame.
        frame2: the same.
        read_truth: decodes the true flow from frame 1 to frame 2.
        read_matched: decodes bool `(H, W)`, True where the point is visible in frame 2; None where there is no mask.
        truth_factor: truth samples per pixel and axis (2 for Spring: 4K truth for 1080p frames).
        results: what the file of a result may be called, paths without suffix; first as a submission calls it.
    """

    dataset: str
    name: str
    frame1: Path | Callable[[], Frame]
    frame2: Path | Callable[[], Frame]
    read_truth: Callable[[], FlowField]
    read_matched: Callable[[], NDArray[np.bool_]] | None = None
    truth_factor: int = 1
    results: tuple[str, ...] = ()

    def read_frames(self) -> list[Frame]:
        """Decode or make both frames, uint8 `(H, W, 3)` each."""
        if isinstance(self.frame1, Path) and isinstance(self.frame2, Path):
            return read_images([self.frame1, self.frame2])
        return [read_images([frame])[0] if isinstance(frame, Path) else frame() for frame in (self.frame1, self.frame2)]
