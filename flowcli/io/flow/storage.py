"""How flow is stored where a format leaves a choice: the numbers of arrays, and the range of 8-bit pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import UsageError
from flowcli.flow import FlowField

THWC, TCHW = "thwc", "tchw"
_LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class FlowStorage:
    """What the user chooses.

    Attributes:
        bound: pixels that become 0 (minus) and 255 in pictures of 8 bits.
        layout: "thwc" for arrays `(T, H, W, 2)`, "tchw" for `(T, 2, H, W)`.
        dtype: "float32" or "float16" of arrays.

    Raises:
        UsageError: anything else.
    """

    bound: float = 20.0
    layout: str = THWC
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not 0 < self.bound <= 1e6:
            raise UsageError(f"--bound: expected pixels above 0, such as 20, got {self.bound:g}")
        if self.layout not in (THWC, TCHW):
            raise UsageError(f"--layout: expected thwc or tchw, got {self.layout!r:.40}")
        if self.dtype not in ("float32", "float16"):
            raise UsageError(f"--dtype: expected float32 or float16, got {self.dtype!r:.40}")

    def as_array(self, field: FlowField) -> NDArray[np.floating]:
        """Return the flow as one item of an array, `(H, W, 2)` or `(2, H, W)`, NaN where unknown.

        As halves it has 11 significant bits, and is clipped to 65504 px.
        """
        uv = field.uv if self.layout == THWC else np.moveaxis(field.uv, 2, 0)
        if self.dtype == "float16":
            return np.ascontiguousarray(uv.clip(-_LARGEST_HALF, _LARGEST_HALF), "<f2")
        return np.ascontiguousarray(uv, "<f4")


PLAIN = FlowStorage()
