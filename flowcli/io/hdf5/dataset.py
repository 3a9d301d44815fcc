"""What the reading process does with the bytes of an HDF5 file: check one dataset of flow and send its rows.

Runs in the child only, and needs nothing of flowcli but the limit of pixels: what is imported here is what every such
process pays for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import h5py
import numpy as np
from h5py import h5d, h5p  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs
from numpy.typing import NDArray

from flowcli.io.limits import MAX_PIXELS

STRIP_BYTES = 2**23
"""Rows are read and sent in strips of about this size."""


class DatasetError(Exception):
    """The dataset is not what is asked for; the message goes after the file's name."""


def find_size(file: h5py.File, name: str) -> tuple[int, int]:
    """Return the (height, width) of the dataset `name`, float `(H, W, 2)`; looks at its description only.

    Raises:
        DatasetError: no such dataset is in the file, or it was never written to its end.
    """
    # A link or a dataset may point into other files of this machine: only what lies in this file is read.
    link = file.get(name, getlink=True)
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        found = ", ".join(sorted(file)[:5]) or "nothing"
        raise DatasetError(f"expected a dataset '{name}' in the HDF5 file, found {found!r:.100}")
    shape, kind = dataset.shape, dataset.dtype
    if shape is None or len(shape) != 3 or shape[2] != 2 or kind.kind != "f":
        raise DatasetError(f"expected flow as floats of shape (height, width, 2), found {kind} {shape}")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise DatasetError(
            f"expected at most {MAX_PIXELS} pixels (8192x8192), its header says {shape[1]}x{shape[0]}; "
            "cut or shrink it first"
        )
    # A growing dataset may have chunks larger than itself, but not without bound: one is unpacked whole.
    if dataset.chunks is not None and math.prod(dataset.chunks) > max(4 * math.prod(shape), 2**22):
        raise DatasetError(f"expected chunks within the dataset of shape {shape}, found {dataset.chunks}")
    if not _is_complete(dataset):
        raise DatasetError(f"the dataset '{name}' was never written to its end")
    return shape[0], shape[1]


def _is_complete(dataset: h5py.Dataset) -> bool:
    # The library fills what was never written with zeros, which would pass for flow.
    if dataset.chunks is None:
        return dataset.id.get_storage_size() > 0
    chunks = (math.ceil(side / chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return dataset.id.get_num_chunks() == math.prod(chunks)


def read_strips(file: h5py.File, name: str, allow_memory: Callable[[int], None]) -> Iterator[NDArray[np.float32]]:
    """Yield the dataset that `find_size` found in strips of rows from the top, float32 `(h, W, 2)`.

    Args:
        file: open for reading.
        name: of the dataset.
        allow_memory: called with the bytes that unpacked chunks will take.
    """
    dataset = file[name]
    assert isinstance(dataset, h5py.Dataset)  # find_size has seen it
    height, width, _ = dataset.shape
    rows = max(1, STRIP_BYTES // (width * 2 * max(dataset.dtype.itemsize, 4)))
    if dataset.chunks is not None:
        # One row of chunks stays unpacked while its strips are read, so that each is unpacked once.
        chunk_rows, chunk_width, chunk_depth = dataset.chunks
        chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
        held = chunk_bytes * math.ceil(width / chunk_width) * math.ceil(2 / chunk_depth)
        allow_memory(held + 2 * chunk_bytes)  # the library doubles its buffer while it unpacks a chunk
        del dataset  # the first to open a dataset chooses the cache
        access = h5p.create(h5p.DATASET_ACCESS)
        access.set_chunk_cache(10007, held, 1.0)
        dataset = h5py.Dataset(h5d.open(file.id, name.encode(), access))
        rows = rows if rows < chunk_rows else rows - rows % chunk_rows
    for top in range(0, height, rows):
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which means unknown
            yield np.ascontiguousarray(dataset[top : top + rows], np.float32)
