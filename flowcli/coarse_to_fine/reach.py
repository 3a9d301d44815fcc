"""Motion beyond the reach of the match: the same exhaustive match of the halved and the quartered level.

Each compares as many displacements as the match of the level itself, so it reaches twice and four times as far, the
last one across the frame, on a quarter and a sixteenth of the pixels. Its flow counts only where the directions agree
on a motion that the finer match could not have found: what that one sees, it sees better.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import MATCH
from flowcli.coarse_to_fine.consistency import find_consistent
from flowcli.coarse_to_fine.match import find_reach, match_frames
from flowcli.coarse_to_fine.median import median_filter
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.kernels.library import Library


def match_with_reach(level: Level, kernels: Library | None = None) -> tuple[Tensor, Tensor]:
    """Match a level both ways, however far its pixels move.

    Args:
        level: both directions in one batch, `(2 B, 3, H, W)`: frame 1 and 2 in the first half, exchanged in the second.
        kernels: see `match_frames`.

    Returns:
        Flow, float32 `(2 B, 2, H, W)` in pixels, without lonely errors; and where the directions agree on it, bool
        `(2 B, 1, H, W)`.
    """
    height, width = level.frame1.shape[2:]
    reach = find_reach((height, width))
    flow, agreed = _match(level, level.frame1, reach, kernels)
    seen = reach
    for factor in MATCH.coarser:
        size = -(-height // factor), -(-width // factor)
        if min(size) < MATCH.smallest_coarser:
            break
        frames = F.interpolate(level.frame1, size, mode="bilinear", antialias=True)
        farther = min(reach[0], size[0] - 1), min(reach[1], size[1] - 1)
        coarse, coarse_agreed = _match(level, frames, farther, kernels)
        coarse = F.interpolate(coarse, (height, width), mode="bilinear")
        coarse *= coarse.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)
        coarse_agreed = F.interpolate(coarse_agreed.float(), (height, width), mode="bilinear") > 0.5
        across, along = coarse.abs().split(1, dim=1)
        beyond = (across > MATCH.seen * seen[1]) | (along > MATCH.seen * seen[0])
        taken = coarse_agreed & beyond
        flow, agreed = torch.where(taken, coarse, flow), agreed | taken
        seen = reach[0] * factor, reach[1] * factor
    return flow, agreed


def _match(level: Level, frames: Tensor, reach: tuple[int, int], kernels: Library | None) -> tuple[Tensor, Tensor]:
    frame1, frame2 = frames.chunk(2)
    flow = median_filter(torch.cat(match_frames(frame1, frame2, level.workers, kernels, reach)), 3)
    return flow, find_consistent(flow, level.workers, MATCH.tolerance)
