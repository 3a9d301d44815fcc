"""OpenEXR `.exr`: one scan-line part with the channels "u" and "v", in pixels, v down; NaN where the flow is unknown.

Written as 32-bit float (`.exr`) or 16-bit half (`.half.exr`: 11 significant bits, up to 65504 px), with lossless ZIP
compression; both are read, with any compression. Compositing programs use other names, with v pointing up; such
channels are refused rather than guessed at. OpenEXR before 3.5 takes file names only, so the bytes go through a
temporary file.
"""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
from pathlib import Path

import numpy as np

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import check_size

HIGHEST_HALF = 65504.0
_MAGIC = b"\x76\x2f\x31\x01"
_CHANNELS = ("u", "v")
# Rows per chunk for compressions 0 to 9 of the format: none, rle, zips, zip, piz, pxr24, b44, b44a, dwaa, dwab.
_CHUNK_ROWS = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)


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
    import OpenEXR

    height, width = _check_structure(data, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        path.write_bytes(data)
        try:
            # On damage the library prints to stdout and returns no part; stdout belongs to our results.
            with contextlib.redirect_stdout(io.StringIO()):
                channels = OpenEXR.File(str(path), separate_channels=True).channels()
        except (RuntimeError, ValueError) as error:
            raise FormatError(f"{name}: EXR file is damaged: its pixels cannot be decoded") from error
    found = {key: channel.pixels for key, channel in channels.items()}
    if any(key not in found or found[key].dtype.kind != "f" for key in _CHANNELS):
        kinds = ", ".join(f"{key} {pixels.dtype}" for key, pixels in sorted(found.items())[:6])
        raise FormatError(f"{name}: expected the channels u and v as half or float, found {kinds}")
    if any(found[key].shape != (height, width) for key in _CHANNELS):
        raise FormatError(f"{name}: expected every pixel of {width}x{height} in u and v, found subsampled channels")
    return FlowField.with_unknown(np.stack([found[key].astype(np.float32) for key in _CHANNELS], axis=-1))


def _check_structure(data: bytes, name: str) -> tuple[int, int]:
    # openexr.com, "OpenEXR File Layout": magic, version, attributes, a table of chunk offsets, chunks.
    if data[:4] != _MAGIC:
        raise FormatError(f"{name}: expected an EXR file, found data starting {data[:4]!r}")
    try:
        (version,) = struct.unpack_from("<I", data, 4)
        if version & 0xFFFFFBFF != 2:  # the bit left out allows long names
            raise FormatError(f"{name}: expected an EXR file with one scan-line part, found tiles or several parts")
        attributes, position = _read_attributes(data, name)
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        check_size(name, height, width)
        if attributes["displayWindow"] != attributes["dataWindow"]:
            raise FormatError(f"{name}: expected an EXR whose data fill the display window, found a part of it")
        rows = _CHUNK_ROWS[attributes["compression"][0]]
        offsets = struct.unpack_from(f"<{-(-height // rows)}Q", data, position)
        # Each chunk: int32 first row, int32 number of bytes, the bytes.
        end = max(offset + 8 + struct.unpack_from("<i", data, offset + 4)[0] for offset in offsets)
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise FormatError(f"{name}: EXR file is cut short or damaged ({len(data)} bytes)") from error
    if end != len(data):
        raise FormatError(f"{name}: expected {end} bytes by the EXR's own table, found {len(data)}")
    return height, width


def _read_attributes(data: bytes, name: str) -> tuple[dict[str, bytes], int]:
    attributes: dict[str, bytes] = {}
    position = 8
    while data[position] != 0:
        fields = data[position : position + 512].split(b"\0", 2)  # name, type, then the value
        if len(fields) < 3:
            raise FormatError(f"{name}: EXR file is damaged: its header has no end")
        position += len(fields[0]) + len(fields[1]) + 2
        (size,) = struct.unpack_from("<I", data, position)
        attributes[fields[0].decode("latin-1")] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return attributes, position + 1
