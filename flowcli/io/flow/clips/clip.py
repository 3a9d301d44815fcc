"""What a format for the flow of a whole clip is, and what is said of the clip beside its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flowcli.deferred import Deferred
from flowcli.io.flow.module import NeedsModule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class ClipFacts:
    """What is said of a clip.

    Attributes:
        fps: flows per second, the nominal rate if it varies.
        layout: "thwc" or "tchw".
        comment: what made it.
        times: seconds of the first frame of each flow, from the first of them on.
    """

    fps: Fraction
    layout: str
    comment: str
    times: list[Fraction] = field(default_factory=list[Fraction])

    def attributes(self) -> dict[str, object]:
        """Return it as plain values; `scale` is what a stored number is to be multiplied by to be pixels."""
        return {
            "times": [float(time) for time in self.times],
            "fps": float(self.fps),
            "scale": 1.0,
            "units": "pixels of the frames",
            "components": "u (right), v (down)",
            "layout": self.layout,
            "unknown": "NaN",
            "made_by": self.comment,
        }


class ClipWriter(Protocol):
    """A file that grows by one flow at a time. Made with its path, which is not there yet."""

    def append(self, flow: NDArray[np.floating]) -> None:
        """Add one flow, `(H, W, 2)` or `(2, H, W)`, of the same shape and dtype every time. Raises OSError."""
        ...

    def close(self, facts: ClipFacts) -> None:
        """Complete the file. Raises OSError."""
        ...

    def abandon(self) -> None:
        """Close it as it is; it is of no use."""
        ...


@dataclass(frozen=True)
class ClipFormat(NeedsModule):
    """One row of the table CLIP_FORMATS.

    Attributes:
        name: what --format calls it.
        suffix: with its dot.
        description: one line.
        writer: path -> ClipWriter.
        is_folder: whether the result is a folder.
        sidecar: suffix of a JSON file for the attributes, if the format has no place for them.
        module: Python module that must be installed, or None.
        extra: the extra of flowcli that brings it, or None.
    """

    name: str
    suffix: str
    description: str
    writer: Deferred[[Path], ClipWriter]
    is_folder: bool = False
    sidecar: str | None = None
    module: str | None = None
    extra: str | None = None

    def files(self, path: Path) -> list[Path]:
        """Return everything that is written for the clip `path`."""
        return [path, *([path.with_suffix(self.sidecar)] if self.sidecar else [])]
