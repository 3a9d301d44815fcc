"""Flow files: FORMATS is the table of what can be read and written; the suffix of a file name picks the row."""

from __future__ import annotations

from pathlib import Path

from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.io.flow import exr, kitti
from flowcli.io.flow.flo import decode_flo, encode_flo
from flowcli.io.flow.flo5 import decode_flo5, encode_flo5
from flowcli.io.flow.format import FlowFormat
from flowcli.io.flow.npy import decode_npy, encode_npy
from flowcli.io.flow.npz import decode_npz, encode_npz
from flowcli.io.flow.pfm import decode_pfm, encode_pfm

__all__ = ["FORMATS", "FlowFormat", "find_format", "read_flow", "write_flow"]

_ROWS = (
    FlowFormat("flo", ".flo", "Middlebury: float32 u, v; 1e10 where unknown", encode_flo, decode_flo),
    FlowFormat(
        "kitti",
        ".png",
        "KITTI: 16-bit RGB PNG, steps of 1/64 px from -512 to 512, a flag where known",
        kitti.encode_kitti,
        kitti.decode_kitti,
        step=kitti.STEP,
        lowest=kitti.LOWEST,
        highest=kitti.HIGHEST,
    ),
    FlowFormat(
        "pfm", ".pfm", "portable float map: float32 u, v, 0, rows upwards; NaN where unknown", encode_pfm, decode_pfm
    ),
    FlowFormat("npz", ".npz", "NumPy zip: float32 uv (H, W, 2), bool valid (H, W)", encode_npz, decode_npz),
    FlowFormat("npy", ".npy", "NumPy: float32 (H, W, 2); NaN where unknown", encode_npy, decode_npy),
    FlowFormat(
        "flo5",
        ".flo5",
        "Spring: HDF5 dataset flow, float32 (H, W, 2), gzip; NaN where unknown",
        encode_flo5,
        decode_flo5,
        module="h5py",
        extra="spring",
    ),
    FlowFormat(
        "exr",
        ".exr",
        "OpenEXR: float32 channels u, v; NaN where unknown",
        exr.encode_exr,
        exr.decode_exr,
        module="OpenEXR",
        extra="exr",
    ),
    FlowFormat(
        "half-exr",
        ".half.exr",
        "OpenEXR: the same as 16-bit halves, 11 significant bits",
        exr.encode_half_exr,
        exr.decode_exr,
        step=2.0**-24,
        relative_step=2.0**-10,
        lowest=-exr.HIGHEST_HALF,
        highest=exr.HIGHEST_HALF,
        module="OpenEXR",
        extra="exr",
    ),
)

FORMATS: dict[str, FlowFormat] = {row.suffix: row for row in _ROWS}


def find_format(path: str | Path) -> FlowFormat:
    """Return the row of FORMATS for the suffix of `path`; raises InputError that lists the known suffixes."""
    name = Path(path).name.lower()
    matches = [suffix for suffix in FORMATS if name.endswith(suffix)]
    if not matches:
        found = f"'{Path(path).suffix}'" if Path(path).suffix else "no suffix"
        raise InputError(f"{path}: expected a flow file ending in {' '.join(FORMATS)}, found {found}")
    return FORMATS[max(matches, key=len)]


def read_flow(path: str | Path) -> FlowField:
    """Read the flow file `path` in the format of its suffix.

    Raises:
        InputError: unknown suffix, missing or unreadable file, or a Python module is not installed.
        FormatError: the bytes are not what the format says.
    """
    return find_format(path).read(path)


def write_flow(path: str | Path, field: FlowField) -> None:
    """Write `field` to `path`, atomically, in the format of its suffix.

    Raises:
        InputError: unknown suffix, or a Python module is not installed.
        OutputError: the file cannot be written.
    """
    find_format(path).write(path, field)
