"""A clip as a Zarr array in a folder of its own, a chunk per pair, with its facts as attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from flowcli.io.flow.clips.clip import ClipFacts

_AXES = {2: ("time", "y", "x", "component"), 0: ("time", "component", "y", "x")}


class ZarrClip:
    """The array is made with the first flow, whose size and dtype it has."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._array: Any = None

    def append(self, flow: NDArray[np.floating]) -> None:
        """See ClipWriter."""
        if self._array is None:
            component = 2 if flow.shape[2] == 2 else 0
            self._array = zarr.create_array(
                str(self._path),
                shape=(0, *flow.shape),
                chunks=(1, *flow.shape),
                dtype=flow.dtype,
                fill_value=float("nan"),
                dimension_names=_AXES[component],
            )
        self._array.append(flow[None])

    def close(self, facts: ClipFacts) -> None:
        """See ClipWriter."""
        if self._array is not None:
            self._array.attrs.update(facts.attributes())

    def abandon(self) -> None:
        """See ClipWriter; there is nothing to close."""
