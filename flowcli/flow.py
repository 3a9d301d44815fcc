"""The two central values and the conventions of the whole package.

Frame: uint8 `(H, W, 3)`, RGB. FlowField: float32 `(H, W, 2)`; `[..., 0]` is u (right +), `[..., 1]` is v (down +), in
pixels, on the grid of the first frame: the content of pixel (x, y) of frame 1 is at (x + u, y + v) in frame 2.
Sizes are always given as (height, width). Inside the network tensors are BCHW; only `model/features.py` converts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flowcli.errors import InputError

Frame: TypeAlias = NDArray[np.uint8]
Pair: TypeAlias = tuple[Frame, Frame]

# The Middlebury convention: a component beyond this magnitude marks a pixel whose flow is unknown.
UNKNOWN_ABOVE = 1e9
_STRIP_PIXELS = 2**20


@dataclass(frozen=True, eq=False)
class FlowField:
    """Dense flow of one frame pair.

    Attributes:
        uv: float32 `(H, W, 2)`, read-only; NaN exactly where the flow is unknown, finite elsewhere.
        valid: bool `(H, W)`, False where the flow is unknown; None when it is known everywhere.

    Raises:
        InputError: on any other shape or dtype, or on a known pixel that is not finite.
    """

    uv: NDArray[np.float32]
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        uv, valid = self.uv, self.valid
        if uv.ndim != 3 or uv.shape[2] != 2 or uv.dtype != np.float32 or 0 in uv.shape:
            raise InputError(f"expected flow as float32 (H, W, 2), got {uv.dtype} {uv.shape}")
        if valid is not None:
            if valid.shape != uv.shape[:2] or valid.dtype != np.bool_:
                raise InputError(f"expected validity as bool {uv.shape[:2]}, got {valid.dtype} {valid.shape}")
            if valid.all():
                valid = None
            else:
                if not _is_marked(uv, valid):
                    uv = np.where(valid[..., None], uv, np.float32(np.nan))
                valid = np.array(valid)
                valid.flags.writeable = False
        for rows in _strips(uv):
            finite = np.isfinite(uv[rows])
            if not (finite if valid is None else finite | ~valid[rows][..., None]).all():
                raise InputError("expected finite flow at every known pixel, got NaN or infinity")
        uv = uv[...]  # a view
        uv.flags.writeable = False
        object.__setattr__(self, "uv", uv)
        object.__setattr__(self, "valid", valid)

    @classmethod
    def with_unknown(cls, uv: NDArray[np.float32]) -> FlowField:
        """Build from float32 `(H, W, 2)` in which NaN, infinity or a component beyond 1e9 marks an unknown pixel."""
        return cls(uv, _find_known(uv))

    @classmethod
    def taking(cls, uv: NDArray[np.float32]) -> FlowField:
        """Build as `with_unknown` from an array that the caller gives away: it is marked in place, not copied."""
        valid = _find_known(uv)
        if uv.flags.writeable:
            for rows in _strips(uv):
                np.copyto(uv[rows], np.nan, where=~valid[rows][..., None])
        return cls(uv, valid)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Let `np.asarray(flow)` give `uv`."""
        if copy is False and dtype is not None and np.dtype(dtype) != self.uv.dtype:
            raise ValueError(f"expected to copy {self.uv.dtype} as {np.dtype(dtype)}, was told not to")
        return self.uv.astype(dtype or self.uv.dtype, copy=bool(copy))

    def __eq__(self, other: object) -> bool:
        """Whether both know the same pixels and have the same flow there."""
        if not isinstance(other, FlowField):
            return NotImplemented
        return np.array_equal(self.uv, other.uv, equal_nan=True)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.uv.shape[0], self.uv.shape[1]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Bool `(H, W)`: where the flow is known."""
        return np.ones(self.size, bool) if self.valid is None else self.valid

    def magnitude(self) -> NDArray[np.float32]:
        """Length of the flow in pixels, float32 `(H, W)`; NaN where unknown."""
        return np.hypot(self.uv[..., 0], self.uv[..., 1])


def _strips(uv: NDArray[np.float32]) -> Iterator[slice]:
    # A field may have half a gigabyte: what is asked about it is asked of a few rows at a time.
    step = max(1, _STRIP_PIXELS // max(1, uv.shape[1]))
    return (slice(first, first + step) for first in range(0, uv.shape[0], step))


def _find_known(uv: NDArray[np.float32]) -> NDArray[np.bool_]:
    valid = np.empty(uv.shape[:2], bool)
    with np.errstate(invalid="ignore"):
        for rows in _strips(uv):
            small = np.abs(uv[rows]) <= UNKNOWN_ABOVE
            # Ten times faster than .all(axis=-1), which loops over pairs.
            valid[rows] = small[..., 0] & small[..., 1]
    return valid


def _is_marked(uv: NDArray[np.float32], valid: NDArray[np.bool_]) -> bool:
    return all((np.isnan(uv[rows]) | valid[rows][..., None]).all() for rows in _strips(uv))


def check_frame(frame: Frame, name: str = "frame") -> None:
    """Raise InputError unless `frame` is uint8 `(H, W, 3)` with at least one pixel."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise InputError(f"expected {name} as uint8 (H, W, 3) RGB, got {frame.dtype} {frame.shape}")


def check_pair(frame1: Frame, frame2: Frame) -> None:
    """Raise InputError unless both are frames and of equal size."""
    check_frame(frame1, "frame 1")
    check_frame(frame2, "frame 2")
    if frame1.shape != frame2.shape:
        (h1, w1), (h2, w2) = frame1.shape[:2], frame2.shape[:2]
        raise InputError(f"expected two frames of equal size, got {w1}x{h1} and {w2}x{h2}; resize one of them first")
