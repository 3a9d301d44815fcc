"""An image as its file holds it: the samples in their own depth, before a range of them becomes a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import Frame

# Any integers or floats.
Plane: TypeAlias = NDArray[Any]
_STRIP_PIXELS = 2**20

# What each value of the EXIF tag asks for: (swap the sides first, turn upside down, mirror).
_ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True, eq=False)
class StoredImage:
    """Samples of one image, upright.

    Attributes:
        planes: one grey plane or red, green and blue, each `(H, W)` of one dtype of integers or floats.
        full: the values that mean black and white by the file's format; None for floats, which have none.
        frame: the same as a frame, uint8 `(H, W, 3)`, if the file has 8 bits or fewer; None if it has more.
        pages: how many images of this kind the file holds.
    """

    planes: tuple[Plane, ...]
    full: tuple[float, float] | None
    frame: Frame | None = None
    pages: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.planes[0].shape
        return height, width

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits, so that a range of its values has to be chosen."""
        return self.frame is None

    def turned(self, orientation: int) -> StoredImage:
        """Return the image upright, by the value of its EXIF tag "orientation"; no samples are copied but a frame's."""
        if orientation not in _ORIENTATIONS:
            return self
        frame = None if self.frame is None else np.ascontiguousarray(_turn(self.frame, orientation))
        return replace(self, planes=tuple(_turn(plane, orientation) for plane in self.planes), frame=frame)


def _turn(pixels: Plane, orientation: int) -> Plane:
    swap, down, mirror = _ORIENTATIONS[orientation]
    pixels = np.swapaxes(pixels, 0, 1) if swap else pixels
    pixels = pixels[::-1] if down else pixels
    return pixels[:, ::-1] if mirror else pixels


def from_frame(frame: Frame) -> StoredImage:
    """Return what uint8 `(H, W, 3)` RGB holds."""
    return StoredImage((frame[..., 0], frame[..., 1], frame[..., 2]), (0, 255), frame)


def from_grey(plane: NDArray[np.uint8]) -> StoredImage:
    """Return what uint8 `(H, W)` holds; grey is repeated in all channels of the frame."""
    return StoredImage((plane,), (0, 255), np.repeat(plane[..., None], 3, axis=2))


def from_planes(planes: tuple[Plane, ...], full: tuple[float, float] | None) -> StoredImage:
    """Return what planes of any depth hold: as a frame too if that takes no choice of a range."""
    if full != (0, 255) or planes[0].dtype != np.uint8:
        return StoredImage(planes, full)
    grey = np.asarray(planes[0], np.uint8)
    return from_grey(grey) if len(planes) == 1 else from_frame(np.stack([np.asarray(p, np.uint8) for p in planes], 2))


def look_up(table: NDArray[np.uint8], plane: Plane) -> NDArray[np.uint8]:
    """Return `table` at the integers of `plane`, a few rows at a time: NumPy makes 8 bytes of each index."""
    found = np.empty((*plane.shape, *table.shape[1:]), np.uint8)
    for rows in strips(*plane.shape):
        found[rows] = table[plane[rows]]
    return found


def strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices of a few rows each."""
    rows = max(1, _STRIP_PIXELS // width)
    return (slice(first, first + rows) for first in range(0, height, rows))
