"""Which array of a NumPy file is the flow, and which of its axes is which, as far as the user has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError, UsageError
from flowcli.io.limits import check_size

HWC, CHW = "hwc", "chw"
LAYOUTS = (HWC, CHW)


@dataclass(frozen=True)
class ArrayChoice:
    """What the user says of arrays; nothing where they speak for themselves.

    Attributes:
        key: name of the array in an .npz, or of two of them, "u,v".
        layout: "hwc" for `(H, W, 2)`, "chw" for `(2, H, W)`.

    Raises:
        UsageError: another layout, or an empty name.
    """

    key: str | None = None
    layout: str | None = None

    def __post_init__(self) -> None:
        if self.layout not in (None, *LAYOUTS):
            raise UsageError(f"--layout: expected {' or '.join(LAYOUTS)}, got {self.layout!r}")
        if self.key is not None and (not all(self.keys) or len(self.keys) > 2):
            raise UsageError(f"--key: expected the name of an array, or two such as u,v, got {self.key!r}")

    @property
    def keys(self) -> tuple[str, ...]:
        """The names in `key`."""
        return () if self.key is None else tuple(part.strip() for part in self.key.split(","))


ANY = ArrayChoice()


@dataclass(frozen=True)
class UvLayout:
    """Where height, width and the two components are in an array.

    Attributes:
        height: in pixels.
        width: in pixels.
        order: HWC or CHW.
        ones: axes of length 1 in front.
    """

    height: int
    width: int
    order: str
    ones: int

    def view(self, uv: NDArray[Any]) -> NDArray[Any]:
        """Return float `(H, W, 2)` as the array has it; a view."""
        array = uv if self.order == HWC else np.moveaxis(uv, 2, 0)
        return array[(None,) * self.ones]


def find_layout(shape: tuple[int, ...], dtype: np.dtype[Any], choice: ArrayChoice, name: str) -> UvLayout:
    """Return the layout of an array of flow, `(H, W, 2)` or `(2, H, W)`, with any axes of length 1 in front.

    Where both fit, in a picture of two pixels' height or width, it is `(H, W, 2)`, which is what we write ourselves.

    Raises:
        FormatError: the shape is neither, empty or beyond the limits, or the numbers are no floats.
    """
    ones = 0
    while len(shape) - ones > 3 and shape[ones] == 1:
        ones += 1
    sides = shape[ones:]
    order = choice.layout or (CHW if len(sides) == 3 and sides[0] == 2 and sides[2] != 2 else HWC)
    if len(sides) != 3 or sides[0 if order == CHW else 2] != 2 or dtype.kind != "f":
        expected = "(height, width, 2)" if choice.layout == HWC else "(2, height, width)"
        if choice.layout is None:
            expected = "(height, width, 2) or (2, height, width)"
        raise FormatError(f"{name}: expected flow as floats of shape {expected}, found {dtype} {shape}")
    height, width = sides[1:] if order == CHW else sides[:2]
    check_size(name, height, width)
    return UvLayout(height, width, order, ones)
