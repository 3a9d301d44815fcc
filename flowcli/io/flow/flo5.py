"""Spring `.flo5` (Mehl et al., "Spring: A High-Resolution High-Detail Dataset ...", CVPR 2023; its flow_library).

An HDF5 file with one float32 dataset "flow" of shape `(H, W, 2)`, compressed by gzip level 5; NaN where the flow is
unknown. The ground truth of Spring has twice the sides of its frames; that is for the reader of that data set to know.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.npy import as_uv
from flowcli.io.limits import MAX_PIXELS, check_size

DATASET = "flow"
if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_GZIP_LEVEL = 5


def encode_flo5(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(
            DATASET, data=field.uv.astype("<f4", copy=False), compression="gzip", compression_opts=_GZIP_LEVEL
        )
    return buffer.getvalue()


def decode_flo5(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    import h5py

    if data[:8] != _SIGNATURE:
        raise FormatError(f"{name}: expected an HDF5 file (.flo5), found data starting {data[:8]!r}")
    if len(data) < 48 or _end_of_file(data) != len(data):
        raise FormatError(f"{name}: HDF5 file is cut short or has bytes after its end ({len(data)} bytes)")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            # A link or a dataset may point into other files of this machine: only what lies in this file is read.
            link = file.get(DATASET, getlink=True)
            dataset = file[DATASET] if isinstance(link, h5py.HardLink) else None
            if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
                found = ", ".join(sorted(file)[:5]) or "nothing"
                raise FormatError(f"{name}: expected a dataset '{DATASET}' in the HDF5 file, found {found}")
            if dataset.shape is None or len(dataset.shape) != 3 or dataset.shape[2] != 2 or dataset.dtype.kind != "f":
                raise FormatError(
                    f"{name}: expected flow as floats of shape (height, width, 2), "
                    f"found {dataset.dtype} {dataset.shape}"
                )
            check_size(name, *dataset.shape[:2])
            if dataset.chunks is not None and math.prod(dataset.chunks) > 2 * MAX_PIXELS:
                raise FormatError(f"{name}: expected chunks within the dataset, found {dataset.chunks}")
            if not _is_complete(dataset):
                raise FormatError(f"{name}: the dataset '{DATASET}' was never written to its end")
            uv = as_uv(dataset[()], name)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise FormatError(f"{name}: HDF5 file is damaged or cut short: {str(error).splitlines()[0]}") from error
    return FlowField.with_unknown(uv)


def _is_complete(dataset: h5py.Dataset) -> bool:
    # The library fills what was never written with zeros, which would pass for flow.
    if dataset.chunks is None:
        return dataset.id.get_storage_size() > 0
    chunks = (math.ceil(side / chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return dataset.id.get_num_chunks() == math.prod(chunks)


def _end_of_file(data: bytes) -> int:
    # HDF5 file format specification, sections II.A and II.B: where the superblock keeps the end of file address.
    position = 40 if data[8] < 2 else 28
    return int.from_bytes(data[position : position + 8], "little")
