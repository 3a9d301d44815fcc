"""Forward-backward consistency: which pixels of frame 1 have a partner in frame 2.

The check of Sundaram et al. (ECCV 2010) with the thresholds of UnFlow (Meister et al., AAAI 2018, section 3.2): pixel x
is consistent where |f(x) + b(x + f(x))|^2 < alpha (|f(x)|^2 + |b(x + f(x))|^2) + beta. Pixels that leave the frame, or
whose flow is unknown at either end, have no partner.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.coarse_to_fine.config import CONSISTENCY
from flowcli.coarse_to_fine.resize import flow_scale
from flowcli.coarse_to_fine.warp import pixel_grid, sample
from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.runtime.strips import Strip, cut_strips
from flowcli.runtime.threads import Workers


def measure_consistency(
    forward: Tensor,
    backward: Tensor,
    beta: float = CONSISTENCY.beta,
    top: int = 0,
    height: int | None = None,
    alpha: float = CONSISTENCY.alpha,
) -> tuple[Tensor, Tensor]:
    """Return the squared disagreement of two directions in square pixels, and what of it is tolerated.

    Args:
        forward: `(B, 2, H, W)` in pixels, or some rows of it.
        backward: the flow of frame 2, `(B, 2, H2, W2)` in its own pixels.
        beta: tolerance in square pixels of the forward flow.
        top: the first of those rows.
        height: rows of the whole; None: those of `backward`.
        alpha: tolerance as a share of the squared motion.

    Returns:
        Two float `(B, 1, H, W)`; the first is infinite where the flow leaves frame 2.
    """
    size = (height or backward.shape[2], forward.shape[3])
    grid = pixel_grid(forward.shape[2], size[1], forward.device)
    x, y = grid[:, 0] + forward[:, 0], grid[:, 1] + top + forward[:, 1]
    back = sample(backward, x, y, size)
    if backward.shape[2:] != size:
        back = back * flow_scale((backward.shape[2], backward.shape[3]), size, back)
    square = (forward + back).square_().sum(dim=1)
    bound = alpha * (forward.square().sum(dim=1) + back.square_().sum(dim=1)) + beta
    inside = (x >= 0) & (x <= size[1] - 1) & (y >= 0) & (y <= size[0] - 1)
    return torch.where(inside, square, torch.inf)[:, None], bound[:, None]


def is_consistent(
    forward: Tensor,
    backward: Tensor,
    beta: float = CONSISTENCY.beta,
    top: int = 0,
    height: int | None = None,
    alpha: float = CONSISTENCY.alpha,
) -> Tensor:
    """Say where two directions agree, bool `(B, 1, H, W)`; see `measure_consistency`. NaN is never consistent."""
    square, bound = measure_consistency(forward, backward, beta, top, height, alpha)
    return square < bound


def find_consistent(flow: Tensor, workers: Workers, beta: float = CONSISTENCY.beta) -> Tensor:
    """Say where each half of a batch that holds both directions agrees with the other, bool `(B, 1, H, W)`."""
    batch, _, height, width = flow.shape
    consistent = torch.empty(batch, 1, height, width, dtype=torch.bool, device=flow.device)
    opposite = flow.chunk(2)[::-1]

    def check(strip: Strip) -> None:
        for half, back, result in zip(flow.chunk(2), opposite, consistent.chunk(2), strict=True):
            rows = half[:, :, strip.rows]
            result[:, :, strip.rows] = is_consistent(rows, back, beta, top=strip.rows.start, height=height)

    workers.do(check, cut_strips(height, width * batch, 1, device=flow.device.type))
    return consistent


def find_occlusion(
    forward: FlowField, backward: FlowField, alpha: float = CONSISTENCY.alpha, beta: float = CONSISTENCY.beta
) -> NDArray[np.bool_]:
    """Return bool `(H, W)` on the grid of frame 1: True where the content is not visible in frame 2.

    Args:
        forward: flow from frame 1 to frame 2. For the mask of frame 2, exchange the two.
        backward: flow from frame 2 to frame 1, the same size.
        alpha: tolerance as a fraction of the squared motion.
        beta: tolerance in square pixels.

    Raises:
        InputError: if the sizes differ.
    """
    occluded = np.empty(forward.size, np.bool_)
    for rows, square, bound in _measure_fields(forward, backward, alpha, beta):
        occluded[rows] = ~(square < bound).numpy()
    return occluded


def find_confidence(
    forward: FlowField, backward: FlowField, alpha: float = CONSISTENCY.alpha, beta: float = CONSISTENCY.beta
) -> NDArray[np.float32]:
    """Return how well the two directions agree, float32 `(H, W)` in [0, 1] on the grid of frame 1.

    It is bound / (bound + disagreement) of the squares that the check compares: 1 where the directions meet exactly,
    0.5 at the check's own threshold (`find_occlusion`), 0 where the flow is unknown or leaves the frame.

    Args:
        forward: flow from frame 1 to frame 2.
        backward: flow from frame 2 to frame 1, the same size.
        alpha: tolerance as a fraction of the squared motion.
        beta: tolerance in square pixels.

    Raises:
        InputError: if the sizes differ.
    """
    confidence = np.empty(forward.size, np.float32)
    for rows, square, bound in _measure_fields(forward, backward, alpha, beta):
        confidence[rows] = (bound / (bound + square)).nan_to_num_(0).numpy()
    return confidence


def _measure_fields(
    forward: FlowField, backward: FlowField, alpha: float, beta: float
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield rows and, `(rows, W)` each, their squared disagreement and its bound."""
    if forward.size != backward.size:
        raise InputError(f"expected two flows of equal size (height, width), got {forward.size} and {backward.size}")
    height, width = forward.size
    flow, back = (torch.tensor(field.uv).permute(2, 0, 1)[None] for field in (forward, backward))
    for strip in cut_strips(height, width):
        square, bound = measure_consistency(flow[:, :, strip.rows], back, beta, strip.rows.start, height, alpha)
        yield strip.rows, square[0, 0], bound[0, 0]
