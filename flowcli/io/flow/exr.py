"""OpenEXR `.exr`: one scan-line part with the channels "u" and "v", in pixels, v down; NaN where the flow is unknown.

Written as 32-bit float (`.exr`) or 16-bit half (`.half.exr`: 11 significant bits, up to 65504 px), with lossless ZIP
compression; both are read, with any compression. Compositing programs use other names, with v pointing up; such
channels are refused rather than guessed at. OpenEXR before 3.5 takes file names only, so the bytes go through a
temporary file.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.exr_header import ExrHeader, read_exr_header
from flowcli.io.limits import check_decoding

HIGHEST_HALF = 65504.0
_CHANNELS = ("u", "v")
_KINDS = {0: "uint32", 1: "float16", 2: "float32"}
_FLOATS = {1: np.float16, 2: np.float32}
_STRIP_BYTES = 2**23


def encode_exr(field: FlowField) -> bytes:
    """Return the file for `field` as 32-bit floats, exact to the last bit."""
    return _encode(field, np.float32)


def encode_half_exr(field: FlowField) -> bytes:
    """Return the file for `field` as 16-bit floats, rounded to 11 significant bits and clipped to 65504 px."""
    return _encode(field, np.float16)


def _encode(field: FlowField, dtype: type[np.float32] | type[np.float16]) -> bytes:
    import OpenEXR

    uv = field.uv.clip(-HIGHEST_HALF, HIGHEST_HALF) if dtype is np.float16 else field.uv
    channels = {name: np.ascontiguousarray(uv[..., index], dtype) for index, name in enumerate(_CHANNELS)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        OpenEXR.File(header, channels).write(str(path))
        return path.read_bytes()


def decode_exr(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    header = read_exr_header(data, name)
    if not header.is_scanline:
        raise FormatError(f"{name}: expected an EXR file with one scan-line part, found tiles or several parts")
    if not header.is_whole:
        raise FormatError(f"{name}: expected an EXR whose data fill the display window, found a part of it")
    kinds = {key: channel.kind for key, channel in header.channels.items()}
    if any(kinds.get(key) not in _FLOATS for key in _CHANNELS):
        found = ", ".join(f"{key} {_KINDS.get(kind, '?')}" for key, kind in sorted(kinds.items())[:6])
        raise FormatError(f"{name}: expected the channels u and v as half or float, found {found}")
    if any(header.channels[key].sampling != (1, 1) for key in _CHANNELS):
        width, height = header.width, header.height
        raise FormatError(f"{name}: expected every pixel of {width}x{height} in u and v, found subsampled channels")
    uv = np.empty((header.height, header.width, 2), np.float32)
    # A chunk is decompressed with all its channels.
    check_decoding(name, header.chunk_rows * header.row_bytes, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        path.write_bytes(data)
        try:
            # On damage the library prints to stdout; stdout belongs to our results.
            with contextlib.redirect_stdout(io.StringIO()):
                _read_rows(path, header, uv)
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise FormatError(f"{name}: EXR file is damaged: its pixels cannot be decoded") from error
    return FlowField.taking(uv)


def _read_rows(path: Path, header: ExrHeader, uv: NDArray[np.float32]) -> None:
    import OpenEXR

    # The older of the library's two interfaces reads single channels, a few rows at a time; the newer one everything.
    file = OpenEXR.InputFile(str(path))
    try:
        rows = max(header.chunk_rows, _STRIP_BYTES // header.row_bytes)
        for first in range(0, header.height, rows):
            last = min(first + rows, header.height) - 1
            parts = file.channels(list(_CHANNELS), scanLine1=header.top + first, scanLine2=header.top + last)
            for index, (key, part) in enumerate(zip(_CHANNELS, parts, strict=True)):
                dtype = _FLOATS[header.channels[key].kind]
                uv[first : last + 1, :, index] = np.frombuffer(part, dtype).reshape(-1, header.width)
    finally:
        file.close()
