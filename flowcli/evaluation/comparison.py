"""One picture that shows where an estimate is wrong: frame, truth, estimate and error in a 2 x 2 grid with labels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.evaluation.metrics import error_map
from flowcli.flow import FlowField, Frame
from flowcli.viz import choose_scale, render

# Small frames are enlarged to this width by whole factors, so that the labels fit.
LEAST_WIDTH = 320
LABEL_HEIGHT = 24
UNKNOWN_COLOR = (70, 70, 70)
# Errors span decades and pictures must compare: the colours are fixed, black up to 0.1 px, then a decade to each of
# red (1 px), yellow (10 px) and white (100 px and more).
BLACK_BELOW = 0.1
DECADES = 3.0


def draw_comparison(
    frame: Frame, truth: FlowField, estimate: FlowField, model: str, name: str, truth_factor: int = 1
) -> Frame:
    """Draw frame | truth above estimate | error.

    Truth and estimate share one colour scale, that of the truth. The colours of the error are the same in every
    picture; grey is unknown truth.

    Args:
        frame: the first frame, uint8 `(H, W, 3)` RGB.
        truth: `(H * truth_factor, W * truth_factor)`.
        estimate: `(H, W)`.
        model: name for the label of the estimate.
        name: name of the pair for the label of the frame.
        truth_factor: truth samples per pixel and axis, see `metrics.measure`.
    """
    errors = error_map(estimate, truth, truth_factor)
    known = np.isfinite(errors)
    truth = thin(truth, truth_factor)
    scale = choose_scale(truth)
    panels = [
        (frame, name),
        (render(truth, scale=scale), f"truth, full colour {scale:.3g} px"),
        (render(estimate, scale=scale), f"{model}, mean error {float(errors[known].mean()):.3g} px"),
        (color_errors(errors), "error: red 1 px, yellow 10 px, white 100 px"),
    ]
    factor = -(-LEAST_WIDTH // frame.shape[1])
    tiles = [_label(picture.repeat(factor, axis=0).repeat(factor, axis=1), text) for picture, text in panels]
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def thin(truth: FlowField, factor: int) -> FlowField:
    """Return every `factor`-th row and column of a truth, on the grid of the estimate."""
    if factor == 1:
        return truth
    valid = None if truth.valid is None else truth.valid[::factor, ::factor]
    return FlowField(np.ascontiguousarray(truth.uv[::factor, ::factor]), valid)


def color_errors(errors: NDArray[np.float32]) -> Frame:
    """Return uint8 `(H, W, 3)` for errors in pixels, `(H, W)`: the same colours in every picture; grey where NaN."""
    known = np.isfinite(errors)
    level = np.log10(np.where(known, np.maximum(errors, BLACK_BELOW), BLACK_BELOW) / BLACK_BELOW) / DECADES
    red, green, blue = (np.clip(3 * level - start, 0, 1) for start in (0, 1, 2))
    picture = np.rint(255 * np.dstack([red, green, blue])).astype(np.uint8)
    picture[~known] = UNKNOWN_COLOR
    return picture


def _label(picture: Frame, text: str) -> Frame:
    """Put a strip with white text above the picture; text that does not fit is made smaller."""
    strip = np.zeros((LABEL_HEIGHT, picture.shape[1], 3), np.uint8)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, _), _ = cv2.getTextSize(text, font, size, 1)
    size *= min(1.0, (strip.shape[1] - 8) / max(width, 1))
    plain = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    cv2.putText(strip, plain, (4, LABEL_HEIGHT - 8), font, size, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([strip, picture])
