"""The start: one small level, matched exhaustively both ways; the coarse network corrects what the match cannot see.

The residual network and variational refinement answer motion of about two pixels. Where a scene moves faster, every
finer level inherits what the first one got wrong, and levels coarser still lose what is thin: a pole, a lane marking.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.candidates import Match, gather_evidence, match_rigidly, pad_to_stride, with_opposite
from flowcli.coarse_to_fine.config import COARSE, MATCH
from flowcli.coarse_to_fine.fusion import Directions, fuse
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.reach import match_with_reach
from flowcli.kernels.library import Library
from flowcli.model.coarse import CoarseFlow


@dataclass(frozen=True)
class Start:
    """How estimates start.

    Attributes:
        network: the coarse network; None: the match alone.
        kernels: compiled kernels for the match, and for what follows it; None: OpenCV and torch.
    """

    network: CoarseFlow | None = None
    kernels: Library | None = None


def start_level(level: Level, start: Start) -> Tensor:
    """Find the flow of a level without any flow from above.

    Args:
        level: both directions in one batch, `(2 B, 3, H, W)`: frame 1 and 2 in the first half, exchanged in the second.
        start: with what.

    Returns:
        Flow of both, float32 `(2 B, 2, H, W)`.
    """
    match = match_level(level, start.kernels)
    if start.network is None:
        return match.flow
    matched = match_rigidly(level, match)
    stride = start.network.config.stride
    # Each half is what the other one is checked against.
    raw, refined = (pad_to_stride(with_opposite(flow), stride) for flow in (matched.raw, matched.refined))
    frame1, frame2, rigid = (pad_to_stride(plane, stride) for plane in (level.frame1, level.frame2, matched.rigid))
    question = gather_evidence(frame1, frame2, raw, refined, rigid, matched.share)
    answer = start.network(frame1, question.warped, question.evidence)
    rows, columns = level.frame1.shape[2:]
    flow = answer.flow(question.candidates)[:, :, :rows, :columns]
    scale = F.interpolate(answer.scale, frame1.shape[2:], mode="bilinear")[:, :, :rows, :columns]
    # Fractions of a pixel are what refinement is better at; and no change is taken that the network itself expects to
    # be no better than its error.
    moved = (flow - matched.refined).norm(dim=1, keepdim=True) > scale.clamp(min=COARSE.least_change)
    return torch.where(moved, flow, matched.refined)


def match_level(level: Level, kernels: Library | None = None) -> Match:
    """Match a level both ways; what the directions agree on stays where it says more than no motion."""
    raw, agreed = match_with_reach(level, kernels)
    flow = inpaint(raw.clone(), agreed, level.workers)
    # The backward flow of each half is the other half.
    candidates = [Directions(f, torch.cat(f.chunk(2)[::-1])) for f in (torch.zeros_like(flow), flow)]
    return Match(raw, fuse(level, candidates, margin=1.0, window=MATCH.still_window))
