"""Flow and masks as small blocks of bytes that a browser unpacks quickly; `page/planes.js` is the other half.

A plane of unsigned words is replaced by its differences (from the left neighbour, or from the plane through the left,
upper and upper left one; whichever is smaller), cut into bytes, all lowest first, and deflated. Canvas and image
elements read only 8 bits of a 16-bit PNG, so that a PNG is no way to carry exact numbers to a script.

Flow is stored in the first of these ways that fits: `fixed16`, whole steps of 2^-n px, or `float16`, where they hold
every value exactly; `float32`, exact, where that stays small; `fixed16`, rounded, with the smallest step that stays
small. Steps are never larger than 1/64 px, the step of KITTI's files; where 16 bits cannot reach that far, it is
`float32`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField

FINEST_STEP = 2.0**-12
COARSEST_STEP = 2.0**-6
_LARGEST_CODE = 2**15 - 1
_EFFORT = 6


@dataclass(frozen=True)
class Plane:
    """One array of words.

    Attributes:
        data: deflated bytes.
        filter: "left" or "plane": what the differences are from.
        bits: of a word: 8, 16 or 32.
    """

    data: bytes
    filter: str
    bits: int


@dataclass(frozen=True)
class PackedFlow:
    """A flow field for the page.

    Attributes:
        kind: "float32", "float16" or "fixed16".
        step: px per unit of `fixed16`; 0 for floats.
        exact: whether every float32 of the field comes back.
        u: right, as words.
        v: down, as words.
        known: 1 where the flow is known, bytes; None where it is known everywhere.
    """

    kind: str
    step: float
    exact: bool
    u: Plane
    v: Plane
    known: Plane | None

    @property
    def planes(self) -> list[Plane]:
        """All that is stored."""
        return [self.u, self.v] + ([] if self.known is None else [self.known])

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(plane.data) for plane in self.planes)

    def describe(self) -> str:
        """Say how the numbers of the page relate to those of the file."""
        if self.kind != "fixed16":
            return f"{self.kind}, exact"
        return f"16 bits, steps of 1/{round(1 / self.step)} px, {'exact' if self.exact else 'rounded'}"


def pack_plane(words: NDArray[np.unsignedinteger]) -> Plane:
    """Pack unsigned `(H, W)` of 8, 16 or 32 bits."""
    left = words.copy()
    left[:, 1:] -= words[:, :-1]
    plane = left.copy()
    plane[1:] -= left[:-1]
    signed = np.dtype(f"i{words.itemsize}")
    costs = [np.abs(differences.view(signed)[::4].astype(np.float64)).sum() for differences in (left, plane)]
    name, differences = ("left", left) if costs[0] <= costs[1] else ("plane", plane)
    octets = np.ascontiguousarray(differences).astype(words.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    planar = np.ascontiguousarray(octets.reshape(-1, words.itemsize).T)
    return Plane(zlib.compress(planar.tobytes(), _EFFORT), name, 8 * words.itemsize)


def pack_flow(field: FlowField, budget: int) -> PackedFlow:
    """Pack a flow field into about `budget` bytes; see the module for what is given up for that, and what is not."""
    u, v = (_fill(field.uv[..., component], field.valid) for component in (0, 1))
    known = None if field.valid is None else pack_plane(field.valid.view(np.uint8))

    def fixed(step: float, exact: bool) -> PackedFlow:
        planes = [pack_plane(np.rint(c / np.float32(step)).astype(np.int16).view(np.uint16)) for c in (u, v)]
        return PackedFlow("fixed16", step, exact, planes[0], planes[1], known)

    # Every step is a power of two: a product with it is exact.
    largest = float(max(np.abs(u).max(), np.abs(v).max()))
    finest = max(FINEST_STEP, 2.0 ** math.ceil(math.log2(max(largest, 1e-30) / _LARGEST_CODE)))
    step = next((s for s in _steps(finest) if _is_whole(u, s) and _is_whole(v, s)), None)
    if step is not None:
        return fixed(step, exact=True)
    with np.errstate(over="ignore"):
        halves = [c.astype(np.float16) for c in (u, v)]
    if all(np.array_equal(half.astype(np.float32), c) for half, c in zip(halves, (u, v), strict=True)):
        packed_u, packed_v = (pack_plane(half.view(np.uint16)) for half in halves)
        return PackedFlow("float16", 0, True, packed_u, packed_v, known)
    floats = PackedFlow("float32", 0, True, pack_plane(u.view(np.uint32)), pack_plane(v.view(np.uint32)), known)
    step = finest
    while floats.size > budget and step <= COARSEST_STEP:
        packed = fixed(step, exact=False)
        if packed.size <= budget or step == COARSEST_STEP:
            return packed
        # A bit less per number is about that much less in the file.
        surplus = (packed.size - budget) * 8 / (2 * u.size)
        step = min(COARSEST_STEP, step * 2 ** max(1, math.floor(surplus)))
    return floats


def _steps(finest: float) -> list[float]:
    # Coarsest first: the fewest bits that hold everything. Whole pixels are 2^0.
    return [2.0**-n for n in range(13) if 2.0**-n >= finest]


def _is_whole(values: NDArray[np.float32], step: float) -> bool:
    # Most fields fail at the first row.
    parts = (np.asarray(part / np.float32(step)) for part in (values[:1], values[::16], values))
    return all(bool((part == np.rint(part)).all()) for part in parts)


def _fill(values: NDArray[np.float32], valid: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Give unknown pixels the value of the last known one before them, which costs nothing to store."""
    values = np.ascontiguousarray(values)
    if valid is None:
        return values
    places = np.maximum.accumulate(np.where(valid.ravel(), np.arange(valid.size), 0))
    filled = values.ravel()[places].reshape(values.shape)
    return np.nan_to_num(filled)
