"""Coarse to fine: estimate what is left after warping by the flow from the level above, level by level.

`estimate_flow` is the whole method in six steps. Each step is a file of its own, `schedule.py` says which of them
happens at which level, and `config.py` has every tunable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from flowcli.coarse_to_fine.config import FUSION, Config
from flowcli.coarse_to_fine.consistency import find_consistent
from flowcli.coarse_to_fine.fusion import Directions, exchange, fuse
from flowcli.coarse_to_fine.gate import apply_updates, refine_full_size
from flowcli.coarse_to_fine.initialise import Start, start_level
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.pyramid import Level, Pyramid, open_level
from flowcli.coarse_to_fine.residual import Residual
from flowcli.coarse_to_fine.resize import resize_flow
from flowcli.coarse_to_fine.schedule import plan_levels
from flowcli.runtime.memory import return_freed_memory
from flowcli.runtime.threads import Workers


@torch.inference_mode()
def estimate_flow(
    frame1: Tensor,
    frame2: Tensor,
    config: Config,
    residual: Residual | None = None,
    initial: Callable[[], Directions] | None = None,
    workers: Workers | None = None,
    both: bool = False,
    start: Start | None = None,
) -> list[Tensor]:
    """Estimate the flow of a batch of frames.

    Args:
        frame1: `(B, 3, H, W)`, uint8 or float in [-1, 1].
        frame2: the same shape and type.
        config: what happens at which level.
        residual: the network; None: variational refinement alone.
        initial: makes an initial flow from elsewhere, of any size, once the memory of the levels is free again; it
            stays where our own estimate does not explain the frames better.
        workers: threads for what surrounds the network; None: the caller's alone.
        both: estimate the flow from frame 2 to frame 1 as well, the same as with the frames exchanged.
        start: how the estimate starts, and the compiled kernels of all levels; None: from the match alone, without.

    Returns:
        Forward and, if `both`, backward flow, float32 `(B, 2, H, W)` in pixels each.
    """
    workers, start = workers or Workers(1), start or Start()

    # 1. Pyramids of both frames, from the first level on.
    full = (frame1.shape[2], frame1.shape[3])
    levels = plan_levels(full, residual, config)
    pyramids = [Pyramid(frame, levels[0].size) for frame in (frame1, frame2)]
    flow = torch.zeros(2 * len(frame1), 2, *levels[0].size, device=frame1.device)
    for step in (step for step in levels if step.both):
        level = open_level(pyramids, step.size, step.eight_bit, workers, both=True, kernels=start.kernels)

        # 2. Start: one small level is matched exhaustively, both directions in one batch.
        flow = start_level(level, start) if step.matched else resize_flow(flow, step.size)

        # 3. Updates of the flow from above, each kept where the frames are explained as well as before.
        flow = apply_updates(level, flow, step.updates)

        # 4. What the two directions do not agree on is inpainted from what they do.
        flow = inpaint(flow, find_consistent(flow, workers), workers)
        return_freed_memory(step.size)

    # From here on each direction goes on by itself; the other one's flow is what it is checked against.
    coarse = Directions(*flow.chunk(2))
    turns = [(frame1, frame2, coarse, initial)]
    if both:
        kept = None if initial is None else cache(initial)
        turns = [
            (frame1, frame2, coarse, kept),
            (frame2, frame1, exchange(coarse), kept and (lambda: exchange(kept()))),
        ]
    del coarse
    results: list[Tensor] = []
    while turns:
        first, second, (flow, opposite), initial = turns.pop(0)
        fine = [step for step in levels if not step.both]
        if results:
            pyramids = [Pyramid(frame, step.size) for step in fine[:1] for frame in (first, second)]
        for step in fine:
            level = open_level(pyramids, step.size, step.eight_bit, workers, kernels=start.kernels)
            flow = apply_updates(level, resize_flow(flow, step.size), step.updates)
            return_freed_memory(step.size)

        pyramids = []

        # 5. Fusion with the initial flow, at full size.
        level = Level(first, second, workers, start.kernels)
        return_freed_memory(full)
        candidates = [] if initial is None else [initial()]
        return_freed_memory(full)
        flow = fuse(level, [*candidates, Directions(flow, opposite)], FUSION.margin, FUSION.window)
        del candidates, opposite
        return_freed_memory(full)

        # 6. Refinement at full size.
        results.append(refine_full_size(level, flow, config.rounds) if config.variational else flow)
        return_freed_memory(full)
    return results
