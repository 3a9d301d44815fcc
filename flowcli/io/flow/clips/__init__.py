"""One array for all flow of a clip: CLIP_FORMATS is the table of what can be written.

Axes `(T, H, W, 2)` or `(T, 2, H, W)`, in pixels, u right and v down, NaN where unknown; a chunk of a file holds one
pair, so that one is read without the others. The attributes say when each flow begins and how the numbers are meant.
"""

from __future__ import annotations

from flowcli.deferred import Deferred
from flowcli.io.flow.clips.clip import ClipFacts, ClipFormat, ClipWriter

__all__ = ["CLIP_FORMATS", "ClipFacts", "ClipFormat", "ClipWriter", "find_clip_format"]


_ROWS = (
    ClipFormat(
        "npy-clip",
        ".npy",
        "NumPy: one array (T, H, W, 2) to be mapped into memory; times and fps in a .json beside it",
        Deferred("flowcli.io.flow.clips.npy:NpyClip"),
        sidecar=".json",
    ),
    ClipFormat(
        "h5",
        ".h5",
        "HDF5: dataset flow (T, H, W, 2), gzip; times, fps and scale as attributes",
        Deferred("flowcli.io.flow.clips.hdf5:Hdf5Clip"),
        module="h5py",
        extra="spring",
    ),
    ClipFormat(
        "zarr",
        ".zarr",
        "Zarr: a folder with one array (T, H, W, 2); times, fps and scale as attributes",
        Deferred("flowcli.io.flow.clips.zarr:ZarrClip"),
        is_folder=True,
        module="zarr",
        extra="zarr",
    ),
)

CLIP_FORMATS: dict[str, ClipFormat] = {row.name: row for row in _ROWS}


def find_clip_format(suffix: str) -> ClipFormat | None:
    """Return the row for the suffix of a file, or None."""
    return next((row for row in CLIP_FORMATS.values() if row.suffix == suffix.lower()), None)
