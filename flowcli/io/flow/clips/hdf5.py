"""A clip as an HDF5 file: the dataset `flow`, a chunk per pair, with its facts as attributes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from flowcli.io.flow.clips.clip import ClipFacts

DATASET = "flow"
# Shuffled bytes of smooth flow shrink to about a half at this level; higher ones take much longer for little.
_GZIP_LEVEL = 4


class Hdf5Clip:
    """The dataset is made with the first flow, whose size and dtype it has."""

    def __init__(self, path: Path) -> None:
        # The structures of HDF5 1.8 (2008) are the first that hold attributes of more than 64 KiB: the times.
        self._file = h5py.File(path, "w", libver=("v108", "latest"))
        self._dataset: h5py.Dataset | None = None

    def append(self, flow: NDArray[np.floating]) -> None:
        """See ClipWriter."""
        if self._dataset is None:
            self._dataset = self._file.create_dataset(
                DATASET,
                shape=(0, *flow.shape),
                maxshape=(None, *flow.shape),
                chunks=(1, *flow.shape),
                dtype=flow.dtype,
                compression="gzip",
                compression_opts=_GZIP_LEVEL,
                shuffle=True,
            )
        count = self._dataset.shape[0]
        self._dataset.resize(count + 1, axis=0)
        self._dataset[count] = flow

    def close(self, facts: ClipFacts) -> None:
        """See ClipWriter."""
        if self._dataset is not None:
            self._dataset.attrs.update(facts.attributes())
        self._file.close()

    def abandon(self) -> None:
        """See ClipWriter."""
        with suppress(OSError, RuntimeError):
            self._file.close()
