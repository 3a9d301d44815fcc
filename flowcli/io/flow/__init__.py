"""Flow files: FORMATS is the table of what can be read and written; the suffix of a file name picks the row."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcli.deferred import Deferred
from flowcli.errors import InputError
from flowcli.io.flow.format import FlowFormat

if TYPE_CHECKING:
    from flowcli.flow import FlowField

__all__ = ["FORMATS", "FlowFormat", "find_format", "read_flow", "write_flow"]


def _deferred(name: str) -> Deferred[..., Any]:
    return Deferred(f"flowcli.io.flow.{name}")


def _exr(name: str, suffix: str, description: str) -> FlowFormat:
    kind = name.removeprefix("half-")
    is_half = name.startswith("half-")
    function = "_".join(["encode", *(["half"] if is_half else []), kind])
    both = kind in ("nuke", "blender")
    # A position in 24 bits, of at most 8192 pixels.
    step, relative_step = (2.0**-10, 2.0**-22) if kind == "stmap" else (2.0**-24, 2.0**-10) if is_half else (0.0, 0.0)
    largest = 65504.0 if is_half else math.inf
    return FlowFormat(
        name,
        suffix,
        description,
        _deferred(f"exr:{function}"),
        _deferred(f"exr:decode_{kind}" if kind in ("rg", "stmap") else "exr:decode_exr"),
        encode_both=_deferred(f"exr:{function}") if both else None,
        step=step,
        relative_step=relative_step,
        lowest=-largest,
        highest=largest,
        choices=True,
        module="OpenEXR",
        extra="exr",
    )


_ROWS = (
    FlowFormat(
        "flo",
        ".flo",
        "Middlebury: float32 u, v; 1e10 where unknown",
        _deferred("flo:encode_flo"),
        _deferred("flo:decode_flo"),
    ),
    FlowFormat(
        "kitti",
        ".png",
        "KITTI: 16-bit RGB PNG, steps of 1/64 px from -512 to 512, a flag where known",
        _deferred("kitti:encode_kitti"),
        _deferred("kitti:decode_kitti"),
        step=1 / 64,
        lowest=-512.0,
        highest=65535 / 64 - 512,
    ),
    FlowFormat(
        "pfm",
        ".pfm",
        "portable float map: float32 u, v, 0, rows upwards; NaN where unknown",
        _deferred("pfm:encode_pfm"),
        _deferred("pfm:decode_pfm"),
    ),
    FlowFormat(
        "npz",
        ".npz",
        "NumPy zip: float32 uv (H, W, 2), bool valid (H, W)",
        _deferred("npz:encode_npz"),
        _deferred("npz:decode_npz"),
        choices=True,
    ),
    FlowFormat(
        "npy",
        ".npy",
        "NumPy: float32 (H, W, 2); NaN where unknown",
        _deferred("npy:encode_npy"),
        _deferred("npy:decode_npy"),
        choices=True,
    ),
    FlowFormat(
        "flo5",
        ".flo5",
        "Spring: HDF5 dataset flow, float32 (H, W, 2), gzip; NaN where unknown",
        _deferred("flo5:encode_flo5"),
        _deferred("flo5:decode_flo5"),
        module="h5py",
        extra="spring",
    ),
    _exr("exr", ".exr", "OpenEXR: float32 channels u, v; NaN where unknown"),
    _exr("half-exr", ".half.exr", "OpenEXR: the same as 16-bit halves, 11 significant bits"),
    _exr("nuke", ".nuke.exr", "OpenEXR: Nuke's forward.u/v and backward.u/v, v up; 0 with alpha 0 where unknown"),
    _exr("half-nuke", ".half.nuke.exr", "OpenEXR: the same as 16-bit halves"),
    _exr("blender", ".blender.exr", "OpenEXR: Blender's Vector.X/Y/Z/W, v up; 0 with alpha 0 where unknown"),
    _exr("half-blender", ".half.blender.exr", "OpenEXR: the same as 16-bit halves"),
    _exr("rg", ".rg.exr", "OpenEXR: R, G in pixels, v up; 0 with alpha 0 where unknown"),
    _exr("half-rg", ".half.rg.exr", "OpenEXR: the same as 16-bit halves"),
    _exr("stmap", ".stmap.exr", "OpenEXR: R, G as positions in frame 2, 0 to 1 from the bottom left, alpha as above"),
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


def read_flow(path: str | Path, *, key: str | None = None, layout: str | None = None) -> FlowField:
    """Read the flow file `path` in the format of its suffix.

    Args:
        path: the file.
        key: the array in an .npz, or two such as "u,v"; None where it is called uv, flow, arr_0 or u and v.
        layout: "hwc" or "chw" of an array in .npy or .npz; None where its shape tells.

    Raises:
        InputError: unknown suffix, missing or unreadable file, or a Python module is not installed.
        UsageError: a key or a layout for a format that has none.
        FormatError: the bytes are not what the format says.
    """
    if key is None and layout is None:
        return find_format(path).read(path)
    from flowcli.io.flow.layout import ArrayChoice

    return find_format(path).read(path, ArrayChoice(key, layout))


def write_flow(path: str | Path, field: FlowField) -> None:
    """Write `field` to `path`, atomically, in the format of its suffix.

    Raises:
        InputError: unknown suffix, or a Python module is not installed.
        OutputError: the file cannot be written.
    """
    find_format(path).write(path, field)
