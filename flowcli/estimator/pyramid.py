"""Coarse to fine: estimate what is left after warping by the flow from the level above, level by level.

The compact network answers residuals of about two pixels. From a level at which the whole motion is that small up to
full size, frame 2 is warped by the current flow, the network estimates the rest tile by tile, a median removes lonely
errors, and a gate keeps an update only where it explains the frames at least as well as before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.estimator.evidence import CLIP, describe, local_error
from flowcli.estimator.smoothing import median_filter
from flowcli.estimator.warp import warp


@dataclass(frozen=True)
class PyramidSettings:
    """How the levels are laid out and what happens at each.

    Attributes:
        factor: size of a level relative to the next finer one.
        smallest: shortest side of the coarsest level in pixels.
        passes: network passes per level.
        window: side of the gate's window in pixels.
        tolerance: an update is kept where the local error grows by at most 2 % and this much.
        choice_window: side of the window in which a first guess and the network's own estimate are compared.
        choice_margin: the network's own estimate is taken where its error is below this share of the guess's,
        choice_reach: and where the two are closer than this share of the frame's shorter side.
    """

    factor: float = 0.7
    smallest: int = 24
    passes: int = 2
    window: int = 9
    tolerance: float = 0.001
    choice_window: int = 15
    choice_margin: float = 0.8
    choice_reach: float = 0.04


def level_sizes(size: tuple[int, int], settings: PyramidSettings) -> list[tuple[int, int]]:
    """Sizes (height, width) of the levels, coarsest first; the last is `size` itself."""
    sizes = [size]
    scale = settings.factor
    while min(size) * scale >= settings.smallest:
        sizes.append((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        scale *= settings.factor
    return sizes[::-1]


def resize_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring `(B, C, H, W)` to `size`, averaging where it shrinks."""
    if frames.shape[2:] == size:
        return frames
    return F.interpolate(frames, size, mode="bilinear", align_corners=False, antialias=True)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring flow `(B, 2, H, W)` to the grid and the pixels of another size."""
    height, width = flow.shape[2:]
    if (height, width) == size:
        return flow
    scale = torch.tensor([size[1] / width, size[0] / height], device=flow.device).view(1, 2, 1, 1)
    return F.interpolate(flow, size, mode="bilinear", align_corners=False) * scale


@torch.inference_mode()
def estimate_coarse_to_fine(
    frame1: Tensor,
    frame2: Tensor,
    residual_of: Callable[[Tensor, Tensor], Tensor],
    settings: PyramidSettings,
    guess: Tensor | None = None,
) -> Tensor:
    """Estimate the flow of a batch of frames.

    Args:
        frame1: float `(B, 3, H, W)` in [-1, 1].
        frame2: the same shape.
        residual_of: maps frame 1 and warped frame 2 of any size to the residual flow.
        settings: the pyramid.
        guess: another estimate at full size, `(B, 2, H, W)`; it stays where the network's own has no better evidence.

    Returns:
        float32 `(B, 2, H, W)` in pixels.
    """
    sizes = level_sizes((frame1.shape[2], frame1.shape[3]), settings)
    flow = torch.zeros(frame1.shape[0], 2, *sizes[0], device=frame1.device)
    for size in sizes:
        level1, level2 = resize_frames(frame1, size), resize_frames(frame2, size)
        flow = refine(level1, level2, resize_flow(flow, size), residual_of, settings)
    return flow if guess is None else choose(frame1, frame2, guess, flow, settings)


def choose(frame1: Tensor, frame2: Tensor, flow: Tensor, rival: Tensor, settings: PyramidSettings) -> Tensor:
    """Keep `flow`, except where `rival` explains the frames clearly better.

    The rival needs evidence: where `flow` leaves the frame nothing speaks against it, where the rival does everything
    does; and flows far apart are not compared, because a window that looks alike by chance is easily found.
    """
    described = describe(frame1)
    errors = []
    for candidate, outside in ((flow, 0.0), (rival, CLIP)):
        warped, inside = warp(frame2, candidate, frame1)
        errors.append(local_error(described, describe(warped), inside, settings.choice_window, outside))
    near = (rival - flow).norm(dim=1, keepdim=True) < settings.choice_reach * min(frame1.shape[2:])
    return torch.where(near & (errors[1] < errors[0] * settings.choice_margin), rival, flow)


def refine(
    frame1: Tensor,
    frame2: Tensor,
    flow: Tensor,
    residual_of: Callable[[Tensor, Tensor], Tensor],
    settings: PyramidSettings,
) -> Tensor:
    """Improve the flow of one level by `settings.passes` passes of the network."""
    size = 5 if min(frame1.shape[2:]) >= 40 else 3
    described = describe(frame1)
    warped, inside = warp(frame2, flow, frame1)
    error = local_error(described, describe(warped), inside, settings.window)
    for _ in range(settings.passes):
        update = median_filter(flow + residual_of(frame1, warped), size)
        warped_update, inside_update = warp(frame2, update, frame1)
        error_update = local_error(described, describe(warped_update), inside_update, settings.window)
        better = error_update <= error * 1.02 + settings.tolerance
        flow = torch.where(better, update, flow)
        error = torch.where(better, error_update, error)
        # The mixed flow needs no third warp: each pixel was warped by the flow that it keeps.
        warped = torch.where(better, warped_update, warped)
    return flow
