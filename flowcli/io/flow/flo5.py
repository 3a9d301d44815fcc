"""Spring `.flo5` (Mehl et al., "Spring: A High-Resolution High-Detail Dataset ...", CVPR 2023; its flow_library).

An HDF5 file with one float32 dataset "flow" of shape `(H, W, 2)`, compressed by gzip level 5; NaN where the flow is
unknown. The ground truth of Spring has twice the sides of its frames; that is for the reader of that data set to know.
Reading happens in a process of its own (`flowcli.io.hdf5`).
"""

from __future__ import annotations

import io

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.hdf5.process import read_dataset

DATASET = "flow"
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
    if data[:8] != _SIGNATURE:
        raise FormatError(f"{name}: expected an HDF5 file (.flo5), found data starting {data[:8]!r}")
    if len(data) < 48 or _end_of_file(data) != len(data):
        raise FormatError(f"{name}: HDF5 file is cut short or has bytes after its end ({len(data)} bytes)")
    return FlowField.taking(read_dataset(data, DATASET, name))


def _end_of_file(data: bytes) -> int:
    # HDF5 file format specification, sections II.A and II.B: where the superblock keeps the end of file address.
    position = 40 if data[8] < 2 else 28
    return int.from_bytes(data[position : position + 8], "little")
