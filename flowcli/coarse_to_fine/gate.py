"""Updates of a flow at one level, and the gate of each: the frames have to be explained as well as before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from flowcli.coarse_to_fine.config import GATE
from flowcli.coarse_to_fine.median import weighted_median
from flowcli.coarse_to_fine.photometric import describe, photometric_cost
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.runtime.strips import Strip, cut_strips


class Update(NamedTuple):
    """One way to improve a flow.

    Attributes:
        improve: maps a level and its flow `(B, 2, H, W)` to a better flow; leaves its arguments as they are.
        growth: the update is kept where the photometric cost is at most this times the cost before, ...
        tolerance: ... plus this.
    """

    improve: Callable[[Level, Tensor], Tensor]
    growth: float = GATE.growth
    tolerance: float = GATE.tolerance


def _refine(level: Level, flow: Tensor) -> Tensor:
    return refine_variational(*level.greys, flow, level.workers, level.kernels)


def _filter(level: Level, flow: Tensor) -> Tensor:
    return weighted_median(flow.clone(), level.frame1, level.workers, level.kernels)


VARIATIONAL_UPDATE = Update(_refine, growth=1.0, tolerance=-GATE.least_gain)
MEDIAN_UPDATE = Update(_filter)


def apply_updates(level: Level, flow: Tensor, updates: Sequence[Update]) -> Tensor:
    """Apply updates one after the other, in place, each where the gate lets it."""
    batch, _, height, width = flow.shape
    strips = list(cut_strips(height, width * batch, GATE.window // 2 + 1, device=flow.device.type))
    cost = flow.new_empty(batch, 1, height, width)

    def measure(strip: Strip) -> None:
        cost[:, :, strip.rows] = flow_cost(level, flow, strip)

    level.workers.do(measure, strips)
    for update in updates:
        updated = update.improve(level, flow)
        level.workers.do(partial(_accept, level, update, updated, flow, cost), strips)
    return flow


def _accept(level: Level, update: Update, updated: Tensor, flow: Tensor, cost: Tensor, strip: Strip) -> None:
    """Take over some rows of an update into `flow` and `cost`, where they explain the frames well enough."""
    rows = strip.rows
    cost_updated = flow_cost(level, updated, strip)
    # NaN compares false: what is not finite does not pass.
    better = cost_updated <= cost[:, :, rows] * update.growth + update.tolerance
    flow[:, :, rows] = torch.where(better, updated[:, :, rows], flow[:, :, rows])
    cost[:, :, rows] = torch.where(better, cost_updated, cost[:, :, rows])


def flow_cost(level: Level, flow: Tensor, strip: Strip) -> Tensor:
    """Return the photometric cost of some rows of a flow, `(B, 1, rows, W)`."""
    frame1 = level.brightness(strip.around)
    warped, inside = level.warped_brightness(flow[:, :, strip.around], strip.around, frame1)
    return photometric_cost(describe(frame1), describe(warped), inside, GATE.window)[:, :, strip.inner]


def refine_full_size(level: Level, flow: Tensor, rounds: int) -> Tensor:
    """Refine the flow and filter its edges some times, in place, without a gate."""
    for _ in range(rounds):
        # The caller holds the flow as well: a new one each time would be a third one in memory.
        flow.copy_(weighted_median(_refine(level, flow), level.frame1, level.workers, level.kernels))
    return flow
