"""A clip as one `.npy`, which `numpy.load(path, mmap_mode="r")` maps into memory (numpy.lib.format, version 1.0).

The number of flows stands in the header and is known at the end only: room is left for it, and filled with spaces, as
NumPy itself pads its headers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from flowcli.io.flow.clips.clip import ClipFacts

_HEADER_BYTES = 256  # a multiple of 64, as memory maps like it


class NpyClip:
    """Written from front to end, the header last."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(bytes(_HEADER_BYTES))
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype("<f4")
        self._count = 0

    def append(self, flow: NDArray[np.floating]) -> None:
        """See ClipWriter."""
        self._shape, self._dtype = flow.shape, flow.dtype
        self._file.write(np.ascontiguousarray(flow).data)
        self._count += 1

    def close(self, facts: ClipFacts) -> None:
        """See ClipWriter; the facts have no place here."""
        described = {
            "descr": npy_format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._shape),
        }
        text = repr(described).encode().ljust(_HEADER_BYTES - 11) + b"\n"
        self._file.seek(0)
        self._file.write(npy_format.MAGIC_PREFIX + b"\1\0" + len(text).to_bytes(2, "little") + text)
        self._file.close()

    def abandon(self) -> None:
        """See ClipWriter."""
        self._file.close()
