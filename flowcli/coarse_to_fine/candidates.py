"""What the coarse network is given at the matched level: candidate flows and the evidence for and against each.

Candidates: the exhaustive match, inpainted and refined; its rigid continuation (`epipolar.py`); no motion.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import COARSE
from flowcli.coarse_to_fine.consistency import find_consistent
from flowcli.coarse_to_fine.epipolar import RigidFlow, continue_batch, continue_rigidly, find_fundamental
from flowcli.coarse_to_fine.gate import VARIATIONAL_UPDATE, apply_updates
from flowcli.coarse_to_fine.photometric import describe, photometric_cost, to_brightness
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.warp import pixel_grid, sample, warp
from flowcli.runtime.device import has_float64, has_host_form


class Match(NamedTuple):
    """A matched level, both ways: float32 `(2 B, 2, H, W)` in pixels.

    Attributes:
        raw: the exhaustive match without lonely errors.
        flow: what its directions agree on, where that says more than no motion; the rest is inpainted.
    """

    raw: Tensor
    flow: Tensor


class Matched(NamedTuple):
    """A match and what is made of it, both ways: float32 `(2 B, 2, H, W)` in pixels.

    Attributes:
        raw: see `Match`.
        refined: the flow of the match after variational refinement, where its gate lets it.
        rigid: the rigid continuation of that.
        share: of the agreeing pixels that move rigidly, `(2 B,)`.
    """

    raw: Tensor
    refined: Tensor
    rigid: Tensor
    share: Tensor


class Question(NamedTuple):
    """The input of the coarse network for `(N, 3, H, W)` frames.

    Attributes:
        warped: frame 2, brought to frame 1 by the refined match; `(N, 3, H, W)`.
        evidence: `(N, 19, H, W)`.
        candidates: flows `(N, 3, 2, H, W)` in pixels.
    """

    warped: Tensor
    evidence: Tensor
    candidates: Tensor


def match_rigidly(level: Level, match: Match) -> Matched:
    """Refine a match and continue it rigidly.

    Args:
        level: both directions in one batch, `(2 B, 3, H, W)`: frame 1 and 2 in the first half, exchanged in the second.
        match: of the level.
    """
    refined = apply_updates(level, match.flow.clone(), [VARIATIONAL_UPDATE, VARIATIONAL_UPDATE])
    agreeing = find_consistent(refined, level.workers, COARSE.agrees)
    if not has_host_form(refined.device) and has_float64(refined.device):
        return Matched(match.raw, refined, *continue_batch(refined, agreeing))
    device, flow, known = refined.device, refined.cpu(), agreeing[:, 0].cpu()

    def continue_one(index: int) -> RigidFlow:
        # Each direction has a fundamental matrix of its own: the transposed one of the other direction would do, but
        # backward flow has to be what the exchanged pair gives.
        fundamental = find_fundamental(flow[index], known[index])
        if fundamental is None:
            return RigidFlow(flow[index], 0.0)
        return continue_rigidly(flow[index], known[index], fundamental)

    continued = list(level.workers.map(continue_one, range(len(flow))))
    rigid = torch.stack([result.flow for result in continued]).to(device)
    return Matched(match.raw, refined, rigid, torch.tensor([result.share for result in continued], device=device))


def gather_evidence(
    frame1: Tensor, frame2: Tensor, match: Tensor, refined: Tensor, rigid: Tensor, share: Tensor
) -> Question:
    """Put the candidates of one direction and their evidence side by side.

    Args:
        frame1: float `(N, 3, H, W)` in [-1, 1].
        frame2: the same shape.
        match: the match from frame 1 and the one from frame 2, `(N, 2, 2, H, W)` in pixels.
        refined: the same, refined.
        rigid: the rigid continuation from frame 1, `(N, 2, H, W)`.
        share: `(N,)`, see `Matched`.
    """
    height, width = frame1.shape[2:]
    grid = pixel_grid(height, width, frame1.device)
    flow = refined[:, 0]
    warped, inside = warp(frame2, flow, frame1)
    brightness = to_brightness(frame1)
    described = describe(brightness)

    def cost(moved: Tensor, seen: Tensor) -> Tensor:
        return photometric_cost(described, describe(moved), seen, COARSE.window) * 2

    rigid_brightness, rigid_inside = warp(to_brightness(frame2), rigid, brightness)
    disagreement = _disagreement(refined, grid)
    agrees = (disagreement.square().sum(1, keepdim=True) < COARSE.agrees) & inside
    half = torch.tensor([width - 1, height - 1], device=frame1.device).view(1, 2, 1, 1) / 2
    evidence = (
        match[:, 0] / 8,
        flow / 8,
        _disagreement(match, grid).clamp(-8, 8) / 4,
        inside.float(),
        cost(to_brightness(warped), inside),
        cost(to_brightness(frame2), torch.ones_like(inside)),
        (rigid - flow).clamp(-16, 16) / 4,
        disagreement.clamp(-8, 8) / 4,
        agrees.float(),
        rigid_inside.float(),
        cost(rigid_brightness, rigid_inside),
        share.view(-1, 1, 1, 1).expand(-1, 1, height, width),
        ((grid - half) / COARSE.unit).expand(len(frame1), -1, -1, -1),
    )
    candidates = torch.stack((flow, rigid, torch.zeros_like(rigid)), 1)
    return Question(warped, torch.cat(evidence, 1), candidates)


def _disagreement(both: Tensor, grid: Tensor) -> Tensor:
    """Forward flow plus the backward flow where it leads, `(N, 2, H, W)`, of `(N, 2, 2, H, W)`."""
    forward, backward = both.unbind(1)
    x, y = (grid + forward).unbind(1)
    return forward + sample(backward, x, y)


def with_opposite(flow: Tensor) -> Tensor:
    """Put the opposite direction beside each of `(2 B, 2, H, W)`: `(2 B, 2, 2, H, W)`."""
    return torch.stack((flow, torch.cat(flow.chunk(2)[::-1])), 1)


def pad_to_stride(planes: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column of `(..., H, W)` until the stride divides both sides."""
    height, width = planes.shape[-2:]
    border = (0, -width % stride, 0, -height % stride)
    if not any(border):
        return planes
    return F.pad(planes.flatten(0, -4), border, mode="replicate").unflatten(0, planes.shape[:-3])
