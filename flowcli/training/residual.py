"""What the network is shown: a window whose second frame was warped by a handed-down flow that is nearly right.

The coarse-to-fine estimator asks for the difference between the true flow and the flow from the level above. Training
makes that difference from the truth (`disturb`): plus a smooth error, blurred (its edges are then wrong, as they are
after upsampling), or one motion for all; some of it is polished, as it is in the estimate; and, in a second pass, from
the network's own first answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.photometric import to_grey
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.coarse_to_fine.warp import warp
from flowcli.training.motion import uniform
from flowcli.training.synthetic import SyntheticPairs

LONGEST_TARGET = 6.0
"""Residuals beyond this many pixels are not asked for: a 3x3 patch cannot see them."""

OCCLUDED_WEIGHT = 0.25
"""Weight of pixels that frame 2 does not show; their flow has to come from their surroundings."""


@dataclass(frozen=True)
class ResidualTask:
    """One question to the network.

    Attributes:
        frame1: float `(B, 3, H, W)` in [-1, 1].
        warped: frame 2 on the grid of frame 1, the same shape.
        target: residual flow in pixels, `(B, 2, H, W)`.
        weight: `(B, 1, H, W)`, 0 where there is no answer.
    """

    frame1: Tensor
    warped: Tensor
    target: Tensor
    weight: Tensor


def disturb(generator: Generator, flow: Tensor, smallest: float, largest: float) -> Tensor:
    """Make the flow that a coarser level might hand down, from the true `(B, 2, H, W)`; errors in pixels.

    Per pair one of: the truth plus a smooth error (half of them), the truth blurred by 3 to 13 pixels plus a little of
    it (three in ten), one motion for the whole window as at the coarsest level (one in ten), or the truth with a smooth
    error and a round patch that is off by more (one in ten).
    """
    batch, _, height, width = flow.shape
    size = uniform(generator, smallest, largest, batch, 1, 1, 1)
    kind = uniform(generator, 0, 1, batch, 1, 1, 1)
    blurred, constant, patched = kind < 0.3, (kind >= 0.3) & (kind < 0.4), kind >= 0.9
    kernel = 2 * int(torch.randint(1, 7, (1,), generator=generator, device=generator.device)) + 1  # 3 to 13
    pooled = F.avg_pool2d(flow, kernel, stride=1, padding=kernel // 2, count_include_pad=False)
    base = torch.where(blurred, pooled, flow)
    base = torch.where(constant, flow.mean(dim=(2, 3), keepdim=True), base)
    size = torch.where(blurred, size.clamp(max=0.3), size)
    points = torch.randint(2, 6, (2,), generator=generator, device=generator.device)
    shape = (batch, 2, int(points[0].clamp(max=4)), int(points[1]))
    field = torch.randn(shape, generator=generator, device=generator.device) * 0.4
    smooth = F.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    offset = torch.randn(batch, 2, 1, 1, generator=generator, device=generator.device) * 0.6
    error = size * (smooth + offset)
    return base + error + patched * size * _patch(generator, batch, (height, width))


def _patch(generator: Generator, batch: int, size: tuple[int, int]) -> Tensor:
    """One round patch per window with an error of its own and a soft rim, `(B, 2, H, W)` of about unit length."""
    height, width = size
    y = torch.arange(height, device=generator.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=generator.device, dtype=torch.float32)
    row, column = (uniform(generator, 0, side, batch, 1, 1, 1) for side in (height, width))
    radius = uniform(generator, 4, min(size) / 2, batch, 1, 1, 1)
    distance = torch.hypot(y - row, x - column)
    offset = torch.randn(batch, 2, 1, 1, generator=generator, device=generator.device)
    return offset * ((radius - distance) / 4 + 0.5).clamp(0, 1)


def polish_handed(generator: Generator, pairs: SyntheticPairs, handed: Tensor, share: float) -> Tensor:
    """Polish some of the handed-down flows as the estimator does before it asks the network.

    What is left is what a variational method cannot find: rounded edges, hidden pixels, motion that was too far off.
    """
    chosen = (uniform(generator, 0, 1, len(handed)) < share).nonzero()[:, 0].tolist()
    height, width = handed.shape[2:]
    polished = handed.clone() if chosen else handed
    for index in chosen:
        # The window of frame 2 to which frame 1's mostly moves, as far as there is canvas.
        mean = handed[index].mean(dim=(1, 2)).round().clamp(-pairs.margin, pairs.margin)
        right, down = (pairs.margin + int(shift) for shift in mean)
        frame2 = pairs.frame2[index : index + 1, :, down : down + height, right : right + width]
        along = mean[:, None, None]
        greys = to_grey(pairs.frame1[index : index + 1]), to_grey(frame2)
        polished[index] = refine_variational(*greys, handed[index : index + 1] - along)[0] + along
    return polished


def make_task(generator: Generator, pairs: SyntheticPairs, handed: Tensor) -> ResidualTask:
    """Warp frame 2 by the handed-down flow, and ask for the rest.

    In one pair of eight the canvas of frame 2 ends at a random side of the window, as it does at a frame's border.
    """
    batch = handed.shape[0]
    origin = (pairs.margin, pairs.margin)
    warped, inside = warp(pairs.frame2, handed, pairs.frame1, origin)
    cut = _cut_sides(generator, batch, handed)
    inside = inside & ~cut
    warped = torch.where(inside, warped, pairs.frame1)
    target = pairs.flow - handed
    near = target.norm(dim=1, keepdim=True) < LONGEST_TARGET
    seen = (pairs.visible & inside).float()
    weight = near * (OCCLUDED_WEIGHT + (1 - OCCLUDED_WEIGHT) * seen)
    return ResidualTask(pairs.frame1, warped, target, weight)


def _cut_sides(generator: Generator, batch: int, handed: Tensor) -> Tensor:
    """Say where the handed-down flow leaves a frame that ends at one side of the window, bool `(B, 1, H, W)`."""
    height, width = handed.shape[2:]
    side = torch.randint(0, 32, (batch, 1, 1), generator=generator, device=generator.device)
    x = torch.arange(width, device=handed.device) + handed[:, 0]
    y = torch.arange(height, device=handed.device)[:, None] + handed[:, 1]
    cut = (side == 0) & (x < 0) | (side == 1) & (x > width - 1) | (side == 2) & (y < 0) | (side == 3) & (y > height - 1)
    return cut[:, None]


def residual_loss(estimate: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over weighted pixels of sqrt(|error|^2 + 1e-3), in pixels; all `(B, O, channels)`."""
    error = (estimate - target).square().sum(-1, keepdim=True)
    return ((error + 1e-3).sqrt() * weight).sum() / weight.sum().clamp(min=1)
