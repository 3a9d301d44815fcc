"""Variational refinement of a flow: OpenCV's VariationalRefinement.

It minimises brightness and gradient constancy plus smoothness from the flow it is given (Brox et al. 2004, as used in
DIS), so it sharpens what is already within a pixel and cannot mend what is not. It warps once, at the start: a second
call goes on from a better linearisation.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Weights of smoothness, brightness and gradient constancy, and iterations. Smoothness is half of OpenCV's default.
SMOOTHNESS, BRIGHTNESS, GRADIENT = 10.0, 5.0, 10.0
FIXED_POINT_ITERATIONS, SOR_ITERATIONS = 5, 5

LONGEST_REACH = 32
"""Rows beyond a band from which less than 0.02 px comes through the iterations."""

LONGEST_MOTION = 96
"""Rows that a pixel may move against most of its band."""

BAND_PIXELS = 2**21
"""Pixels of a band, without what surrounds it."""

SPARSE = 4
"""Every so many columns are looked at to find how a band moves."""

LUMA = 0.299, 0.587, 0.114
"""Weights of red, green and blue in grey (ITU-R BT.601), OpenCV's."""

# VariationalRefinement reads a neighbourhood of its red-black grid; below this side there is none.
SMALLEST_SIDE = 8


Flow = NDArray[np.float32]


def polish_flow(grey1: NDArray[np.uint8], grey2: NDArray[np.uint8], uv: Flow, out: Flow | None = None) -> Flow:
    """Return the polished flow of two grey frames.

    Large frames are worked on in bands, because OpenCV holds some twenty planes of what it is given. A band of frame 2
    lies where the band of frame 1 mostly moves to; pixels that go on by more than LONGEST_MOTION rows keep their flow.

    Args:
        grey1: uint8 `(H, W)`.
        grey2: the same shape.
        uv: float32 `(H, W, 2)` in pixels, finite, of any strides; not changed.
        out: where to write the result; None: into a new array.

    Returns:
        float32 `(H, W, 2)`; frames with a side below SMALLEST_SIDE keep their flow.
    """
    height, width = grey1.shape
    polished = np.empty_like(uv) if out is None else out
    if min(grey1.shape) < SMALLEST_SIDE:
        polished[:] = uv
        return polished
    rows = max(2 * LONGEST_REACH, BAND_PIXELS // width)
    if rows >= height:
        polished[:] = _refine(grey1, grey2, uv)
        return polished
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        down = uv[top:bottom, ::SPARSE, 1]
        shift = round(float(np.median(down)))
        halo = LONGEST_REACH + min(LONGEST_MOTION, math.ceil(np.abs(down - shift).max()))
        # An even row, so that the checkerboard of the iterations is that of the whole.
        first, last = max(0, top - halo) // 2 * 2, min(height, bottom + halo)
        moved = np.clip(np.arange(first, last) + shift, 0, height - 1)
        along = np.array([0, shift], np.float32)
        motion = uv[first:last] - along
        band = _refine(grey1[first:last], grey2[moved], motion)
        np.copyto(band, motion, where=(np.abs(motion[..., 1:]) > LONGEST_MOTION))
        polished[top:bottom] = band[top - first : bottom - first] + along
    return polished


def _refine(grey1: NDArray[np.uint8], grey2: NDArray[np.uint8], uv: Flow) -> Flow:
    refinement = cv2.VariationalRefinement.create()
    refinement.setAlpha(SMOOTHNESS)
    refinement.setDelta(BRIGHTNESS)
    refinement.setGamma(GRADIENT)
    refinement.setFixedPointIterations(FIXED_POINT_ITERATIONS)
    refinement.setSorIterations(SOR_ITERATIONS)
    # OpenCV works in place.
    return np.asarray(refinement.calc(grey1, grey2, np.array(uv, order="C")), np.float32)


def polish_flows(grey1: NDArray[np.uint8], grey2: NDArray[np.uint8], flow: Tensor) -> Tensor:
    """Do the same for a batch: grey frames `(B, H, W)` and float32 `(B, 2, H, W)`, on any device."""
    host = flow.cpu()
    polished = torch.empty_like(host, memory_format=torch.contiguous_format)
    for one, other, *fields in zip(grey1, grey2, host, polished, strict=True):
        uv, out = (field.permute(1, 2, 0).numpy() for field in fields)
        polish_flow(one, other, uv, out)
    return polished.to(flow.device)


def to_grey(frames: Tensor) -> NDArray[np.uint8]:
    """Turn RGB `(B, 3, H, W)`, uint8 or in [-1, 1], into the 8-bit grey frames that OpenCV wants, `(B, H, W)`."""
    grey = torch.zeros_like(frames[:, 0], dtype=torch.float32)
    for channel, weight in enumerate(LUMA):
        grey.add_(frames[:, channel], alpha=weight)
    if frames.dtype != torch.uint8:
        grey.add_(1).mul_(127.5)
    return grey.round_().clamp_(0, 255).byte().cpu().numpy()
