"""The start: one small level, matched exhaustively both ways.

The residual network and variational refinement answer motion of about two pixels. Where a scene moves faster, every
finer level inherits what the first one got wrong, and levels coarser still lose what is thin: a pole, a lane marking.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowcli.coarse_to_fine.config import MATCH
from flowcli.coarse_to_fine.consistency import find_consistent
from flowcli.coarse_to_fine.fusion import Directions, fuse
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.match import match_frames
from flowcli.coarse_to_fine.median import median_filter
from flowcli.coarse_to_fine.pyramid import Level


def match_level(level: Level) -> Tensor:
    """Match a level both ways; what the directions agree on stays where it says more than no motion.

    Args:
        level: both directions in one batch, `(2 B, 3, H, W)`: frame 1 and 2 in the first half, exchanged in the second.

    Returns:
        Flow of both, float32 `(2 B, 2, H, W)`.
    """
    batch = len(level.frame1) // 2
    matched = match_frames(level.frame1[:batch], level.frame1[batch:], level.workers)
    flow = median_filter(torch.cat(matched), 3)
    flow = inpaint(flow, find_consistent(flow, level.workers, MATCH.tolerance), level.workers)
    # The backward flow of each half is the other half.
    candidates = [Directions(f, torch.cat(f.chunk(2)[::-1])) for f in (torch.zeros_like(flow), flow)]
    return fuse(level, candidates, margin=1.0, window=MATCH.still_window)
