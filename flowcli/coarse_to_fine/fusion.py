"""Fusion: of two flows, the one that explains the frames better, pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flowcli.coarse_to_fine.config import PHOTOMETRIC
from flowcli.coarse_to_fine.consistency import is_consistent
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.photometric import describe, photometric_cost
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.resize import resize_flow_rows
from flowcli.runtime.strips import Strip, cut_strips


class Directions(NamedTuple):
    """Flow of a batch both ways, float32 `(B, 2, H, W)` in its own pixels each."""

    forward: Tensor
    backward: Tensor


def exchange(directions: Directions) -> Directions:
    """Return the same of the exchanged frames."""
    return Directions(directions.backward, directions.forward)


def fuse(level: Level, candidates: list[Directions], margin: float, window: int) -> Tensor:
    """Keep the first of one or two candidates, except where the second explains the frames clearly better.

    What the directions of the result do not confirm is inpainted. Candidates of another size than the frames' are
    enlarged, some rows at a time.

    Args:
        level: the frames.
        candidates: one or two.
        margin: the second is taken where its photometric cost is below this share of the first one's.
        window: side of the window in pixels over which costs are averaged.

    Returns:
        The forward flow, float32 `(B, 2, H, W)`.
    """
    batch, _, height, width = level.frame1.shape
    fused = torch.empty(batch, 2, height, width, device=level.frame1.device)
    known = torch.empty(batch, 1, height, width, dtype=torch.bool, device=level.frame1.device)

    def fuse_rows(strip: Strip) -> None:
        rows, around, inner = strip
        flows = [resize_flow_rows(candidate.forward, (height, width), around) for candidate in candidates]
        agreed = [
            is_consistent(flow, candidate.backward, top=around.start, height=height)
            for flow, candidate in zip(flows, candidates, strict=True)
        ]
        flow, consistent = flows[0], agreed[0]
        if len(candidates) == 2:
            frame = level.brightness(around)
            described = describe(frame)
            costs: list[Tensor] = []
            for forward, agrees in zip(flows, agreed, strict=True):
                warped, inside = level.warped_brightness(forward, around, frame)
                costs.append(photometric_cost(described, describe(warped), inside, window, PHOTOMETRIC.leaves, agrees))
            better = costs[1] < costs[0] * margin
            flow, consistent = torch.where(better, flows[1], flow), torch.where(better, agreed[1], consistent)
        fused[:, :, rows], known[:, :, rows] = flow[:, :, inner], consistent[:, :, inner]

    strips = cut_strips(height, width * batch, window // 2 + 1, device=fused.device.type)
    level.workers.do(fuse_rows, strips)
    return inpaint(fused, known, level.workers)
