"""What motion statistics may be asked for; free of NumPy, for the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flowcli.errors import UsageError

CAMERAS = ("affine", "homography")


@dataclass(frozen=True)
class MotionOptions:
    """How motion is measured.

    Attributes:
        moving: length in pixels from which on a pixel counts as moving.
        camera: model of the camera's motion, a name of CAMERAS.
        consistency: whether the backward flow is estimated too, for the share that both directions agree on.

    Raises:
        UsageError: a length that is no positive number, or an unknown model.
    """

    moving: float = 1.0
    camera: str = "affine"
    consistency: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.moving) and self.moving > 0):
            raise UsageError(f"--moving: expected a length in pixels greater than 0, got {self.moving:g}")
        if self.camera not in CAMERAS:
            raise UsageError(f"--camera: expected one of {', '.join(CAMERAS)}, got '{self.camera}'")
