"""What a flow field lost when it was stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowcli.flow import FlowField
from flowcli.io.flow.format import FlowFormat


@dataclass(frozen=True)
class Loss:
    """The difference between a field and what is read back from its file.

    Attributes:
        pixels: number of known pixels.
        rounding: largest change of a component that was within the format's range, in pixels.
        clipped: known pixels with a component beyond the range.
        validity: pixels whose known or unknown state changed.
    """

    pixels: int = 0
    rounding: float = 0.0
    clipped: int = 0
    validity: int = 0

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of both together."""
        return Loss(
            self.pixels + other.pixels,
            max(self.rounding, other.rounding),
            self.clipped + other.clipped,
            self.validity + other.validity,
        )

    def describe(self, row: FlowFormat) -> list[str]:
        """Return what was lost in words, one clause each; empty if nothing was."""
        clauses = []
        if self.rounding > 0:
            clauses.append(f"rounded by up to {self.rounding:.2g} px")
        if self.clipped:
            clauses.append(
                f"{self.clipped} of {self.pixels} known pixels clipped to {row.lowest:g} .. {row.highest:g} px"
            )
        if self.validity:
            clauses.append(f"{self.validity} pixels changed between known and unknown")
        return clauses


def measure_loss(field: FlowField, stored: FlowField, row: FlowFormat) -> Loss:
    """Compare `field` with `stored`, which was read back from a file of the format `row`."""
    both = field.known & stored.known
    before, after = field.uv[both], stored.uv[both]
    inside = (before >= row.lowest) & (before <= row.highest)
    change = np.abs(after - before)[inside]
    return Loss(
        pixels=int(field.known.sum()),
        rounding=float(change.max(initial=0)),
        clipped=int((~inside).any(axis=-1).sum()),
        validity=int((field.known != stored.known).sum()),
    )
