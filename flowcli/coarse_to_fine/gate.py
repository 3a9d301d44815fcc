"""What improves the flow at one level of the pyramid, and the gate that every improvement has to pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.coarse_to_fine.median import sharpen_edges
from flowcli.coarse_to_fine.photometric import describe, local_error, mean_colour
from flowcli.coarse_to_fine.smoothing import median_filter
from flowcli.coarse_to_fine.variational import polish_flows, to_grey
from flowcli.coarse_to_fine.warp import warp
from flowcli.runtime.strips import Band, cut_bands
from flowcli.runtime.threads import Workers

WINDOW = 9
"""Side of the gate's window in pixels."""

FACTOR, TOLERANCE = 1.02, 0.001
"""An update is kept where the local error grows by at most 2 % and 0.001, unless it has to do better."""

LEAST_GAIN = 0.004
"""By so much a polish has to lower the local error: where there is nothing to see it follows noise and compression."""

Residual = Callable[[Tensor, Tensor], Tensor]
"""Maps frame 1 and warped frame 2 of any size to the residual flow."""


class Level:
    """The frames of one level, `(B, 3, H, W)`: float in [-1, 1], or, where no network is asked, uint8.

    Args:
        frame1: the frames from which the flow starts.
        frame2: those to which it leads.
        workers: threads for what is done with them; None: the caller's alone.
    """

    def __init__(self, frame1: Tensor, frame2: Tensor, workers: Workers | None = None) -> None:
        self.frame1, self.frame2 = frame1, frame2
        self.workers = workers or Workers(1)

    def brightness(self, rows: slice) -> Tensor:
        """Return some rows of frame 1's brightness, float `(B, 1, rows, W)` in [-1, 1]."""
        return mean_colour(self.frame1[:, :, rows])

    def warped_brightness(self, flow: Tensor, rows: slice, fill: Tensor) -> tuple[Tensor, Tensor]:
        """Bring frame 2's brightness to some rows of frame 1, from which flow `(B, 2, rows, W)` starts; see `warp`."""
        height = self.frame2.shape[2]
        # Only the rows that it leads to are turned into floating point.
        up, down = (
            int(bound) for bound in torch.stack(flow[:, 1].nan_to_num(0).aminmax()).clamp(-height, height).tolist()
        )
        first = min(max(rows.start + up - 1, 0), height - 1)
        last = max(min(rows.stop + down + 1, height), first + 1)
        return warp(mean_colour(self.frame2[:, :, first:last]), flow, fill, (rows.start - first, 0))

    @cached_property
    def greys(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Both frames in 8-bit grey, `(B, H, W)`."""
        return to_grey(self.frame1), to_grey(self.frame2)


class Update(NamedTuple):
    """One way to improve a flow.

    Attributes:
        improve: maps a level and its flow `(B, 2, H, W)` to a better flow.
        factor: the update is kept where the local error is at most this times the error before, ...
        tolerance: ... plus this.
    """

    improve: Callable[[Level, Tensor], Tensor]
    factor: float = FACTOR
    tolerance: float = TOLERANCE


def ask(residual_of: Residual, polished: bool = False) -> Update:
    """Make the network's update: add what it finds left, and remove lonely errors.

    With `polished` the variational method goes on from there before the gate, which is then stricter: what the network
    adds to a polished flow has to stand beside it.
    """

    def improve(level: Level, flow: Tensor) -> Tensor:
        warped, _ = warp(level.frame2, flow, level.frame1)
        size = 5 if min(flow.shape[2:]) >= 40 else 3
        found = median_filter(flow + residual_of(level.frame1, warped), size)
        return _polish(level, found) if polished else found

    return Update(improve, factor=1.0, tolerance=0.0) if polished else Update(improve)


def _polish(level: Level, flow: Tensor) -> Tensor:
    return polish_flows(*level.greys, flow, level.workers)


POLISH = Update(_polish, factor=1.0, tolerance=-LEAST_GAIN)
"""The variational update."""


def _sharpen(level: Level, flow: Tensor) -> Tensor:
    return sharpen_edges(flow.clone(), level.frame1, level.workers)


SHARPEN = Update(_sharpen)
"""The update that sharpens the edges of motion."""


def refine(level: Level, flow: Tensor, updates: Sequence[Update]) -> Tensor:
    """Apply updates one after the other, in place, each where its own gate lets it."""
    batch, _, height, width = flow.shape
    bands = list(cut_bands(height, width * batch, WINDOW // 2 + 1))
    error = flow.new_empty(batch, 1, height, width)

    def measure(band: Band) -> None:
        error[:, :, band.rows] = explain(level, flow, band)

    level.workers.do(measure, bands)
    for update in updates:
        updated = update.improve(level, flow)
        level.workers.do(partial(_accept, level, update, updated, flow, error), bands)
    return flow


def _accept(level: Level, update: Update, updated: Tensor, flow: Tensor, error: Tensor, band: Band) -> None:
    """Take over some rows of an update into `flow` and `error`, where they explain the frames well enough."""
    rows = band.rows
    error_updated = explain(level, updated, band)
    better = error_updated <= error[:, :, rows] * update.factor + update.tolerance
    flow[:, :, rows] = torch.where(better, updated[:, :, rows], flow[:, :, rows])
    error[:, :, rows] = torch.where(better, error_updated, error[:, :, rows])


def explain(level: Level, flow: Tensor, band: Band) -> Tensor:
    """Say how badly some rows of a flow explain the frames around each pixel, `(B, 1, rows, W)`; see `local_error`."""
    frame1 = level.brightness(band.around)
    warped, inside = level.warped_brightness(flow[:, :, band.around], band.around, frame1)
    return local_error(describe(frame1), describe(warped), inside, WINDOW)[:, :, band.inner]


def finish(level: Level, flow: Tensor, rounds: int) -> Tensor:
    """Polish the flow and sharpen its edges some times, in place, without a gate."""
    for _ in range(rounds):
        # The caller holds the flow as well: a new one each time would be a third one in memory.
        flow.copy_(sharpen_edges(_polish(level, flow), level.frame1, level.workers))
    return flow
