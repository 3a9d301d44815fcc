"""The motion of the camera: one affine or projective map that most of the flow follows, found by RANSAC (OpenCV)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField

# Points of a grid that the map is fitted to.
_POINTS = 4096
_LEAST_POINTS = 16
_TRIES, _SURE = 500, 0.999


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """A map x -> H x of homogeneous pixel positions of frame 1 to frame 2.

    Attributes:
        matrix: float64 `(3, 3)`; its last row is 0, 0, 1 for an affine map.
        tolerance: pixels within which a pixel follows it.
    """

    matrix: NDArray[np.float64]
    tolerance: float

    def flow(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the flow of the map, float32 `(H, W, 2)`, for frames of (height, width) `size`."""
        y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
        (a, b, c), (d, e, f), (g, h, i) = self.matrix
        depth = g * x + h * y + i
        return np.stack([(a * x + b * y + c) / depth - x, (d * x + e * y + f) / depth - y], axis=-1).astype(np.float32)

    def describe(self, size: tuple[int, int]) -> dict[str, float]:
        """Return pan_x and pan_y in pixels, zoom as a factor and roll in degrees, at the centre of the frame."""
        x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
        top = self.matrix[:2] @ (x, y, 1)
        depth = self.matrix[2] @ (x, y, 1)
        moved = top / depth
        jacobian = (self.matrix[:2, :2] - np.outer(moved, self.matrix[2, :2])) / depth
        roll = np.degrees(np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1]))
        return {
            "pan_x": float(moved[0] - x),
            "pan_y": float(moved[1] - y),
            "zoom": float(np.sqrt(abs(np.linalg.det(jacobian)))),
            "roll": float(roll),
        }


def fit_camera(flow: FlowField, model: str) -> CameraMotion | None:
    """Return the map that most of the flow follows, the same for the same flow; None where there is none.

    Args:
        flow: of one pair.
        model: "affine" (six parameters) or "homography" (eight).
    """
    height, width = flow.size
    step = max(1, round((height * width / _POINTS) ** 0.5))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    known = flow.known[y, x]
    x, y = x[known], y[known]
    if x.size < _LEAST_POINTS:
        return None
    start = np.stack([x, y], axis=-1).astype(np.float64)
    end = start + flow.uv[y, x]
    tolerance = max(0.5, float(np.hypot(height, width)) / 1000)
    if model == "homography":
        matrix, _ = cv2.findHomography(start, end, cv2.RANSAC, tolerance, maxIters=_TRIES, confidence=_SURE)
    else:
        affine, _ = cv2.estimateAffine2D(
            start, end, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=_TRIES, confidence=_SURE
        )
        matrix = None if affine is None else np.vstack([affine, (0.0, 0.0, 1.0)])
    if matrix is None or not np.isfinite(matrix).all():
        return None
    motion = CameraMotion(np.asarray(matrix, np.float64), tolerance)
    corners = motion.matrix[2] @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    # A horizon through the picture is no camera's motion between two frames.
    return motion if (corners > 1e-3).all() else None
