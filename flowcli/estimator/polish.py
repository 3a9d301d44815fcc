"""A last variational polish of the flow: OpenCV's VariationalRefinement, at full size.

It minimises brightness and gradient constancy plus smoothness from the flow it is given (Brox et al. 2004, as used in
DIS), so it sharpens what is already within a pixel and cannot mend what is not.
"""

from __future__ import annotations

import cv2
import numpy as np

from flowcli.flow import FlowField, Frame

# Weights of smoothness, brightness and gradient constancy, and iterations: OpenCV's defaults, which DIS uses as well.
SMOOTHNESS, BRIGHTNESS, GRADIENT = 20.0, 5.0, 10.0
FIXED_POINT_ITERATIONS, SOR_ITERATIONS = 5, 5

# VariationalRefinement reads a neighbourhood of its red-black grid; below this side there is none.
SMALLEST_SIDE = 8


def polish_flow(frame1: Frame, frame2: Frame, field: FlowField) -> FlowField:
    """Return the polished flow of a pair of uint8 `(H, W, 3)` RGB frames; tiny frames are returned as they are."""
    if min(field.size) < SMALLEST_SIDE:
        return field
    refinement = cv2.VariationalRefinement.create()
    refinement.setAlpha(SMOOTHNESS)
    refinement.setDelta(BRIGHTNESS)
    refinement.setGamma(GRADIENT)
    refinement.setFixedPointIterations(FIXED_POINT_ITERATIONS)
    refinement.setSorIterations(SOR_ITERATIONS)
    grey1, grey2 = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (frame1, frame2))
    flow = refinement.calc(grey1, grey2, field.uv.copy())
    return FlowField(np.asarray(flow, np.float32))
