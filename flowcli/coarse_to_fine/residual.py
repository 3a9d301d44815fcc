"""The residual network's step: what is left of the motion after frame 2 was warped by the flow so far."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from flowcli.coarse_to_fine.gate import Update
from flowcli.coarse_to_fine.median import median_filter
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.coarse_to_fine.warp import warp

Residual = Callable[[Tensor, Tensor], Tensor]
"""Maps frame 1 and warped frame 2, float `(B, 3, H, W)` in [-1, 1], to the residual flow `(B, 2, H, W)` in pixels."""

WIDE = 40
"""Shortest side in pixels from which on lonely errors are looked for in 5x5 pixels, below it in 3x3."""


def residual_update(network: Residual, variational: bool) -> Update:
    """Make the network's update: add what it finds left, and remove lonely errors.

    With `variational` the refinement goes on from there before the gate, which is then stricter: what the network adds
    to a refined flow has to stand beside it.
    """

    def improve(level: Level, flow: Tensor) -> Tensor:
        warped, _ = warp(level.frame2, flow, level.frame1)
        found = median_filter(flow + network(level.frame1, warped), 5 if min(flow.shape[2:]) >= WIDE else 3)
        return refine_variational(*level.greys, found, level.workers, level.kernels) if variational else found

    return Update(improve, growth=1.0, tolerance=0.0) if variational else Update(improve)
