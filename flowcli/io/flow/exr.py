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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import check_decoding, check_size

HIGHEST_HALF = 65504.0
_MAGIC = b"\x76\x2f\x31\x01"
_CHANNELS = ("u", "v")
_KINDS = {0: "uint32", 1: "float16", 2: "float32"}
_FLOATS = {1: np.float16, 2: np.float32}
_STRIP_BYTES = 2**23
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
    structure = read_exr_structure(data, name)
    kinds = {key: channel.kind for key, channel in structure.channels.items()}
    if any(kinds.get(key) not in _FLOATS for key in _CHANNELS):
        found = ", ".join(f"{key} {_KINDS.get(kind, '?')}" for key, kind in sorted(kinds.items())[:6])
        raise FormatError(f"{name}: expected the channels u and v as half or float, found {found}")
    if any(structure.channels[key].sampling != (1, 1) for key in _CHANNELS):
        width, height = structure.width, structure.height
        raise FormatError(f"{name}: expected every pixel of {width}x{height} in u and v, found subsampled channels")
    uv = np.empty((structure.height, structure.width, 2), np.float32)
    # A chunk is decompressed with all its channels.
    check_decoding(name, structure.chunk_rows * structure.row_bytes, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        path.write_bytes(data)
        try:
            # On damage the library prints to stdout; stdout belongs to our results.
            with contextlib.redirect_stdout(io.StringIO()):
                _read_rows(path, structure, uv)
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise FormatError(f"{name}: EXR file is damaged: its pixels cannot be decoded") from error
    return FlowField.taking(uv)


def _read_rows(path: Path, structure: ExrStructure, uv: NDArray[np.float32]) -> None:
    import OpenEXR

    # The older of the library's two interfaces reads single channels, a few rows at a time; the newer one everything.
    file = OpenEXR.InputFile(str(path))
    try:
        rows = max(structure.chunk_rows, _STRIP_BYTES // structure.row_bytes)
        for first in range(0, structure.height, rows):
            last = min(first + rows, structure.height) - 1
            parts = file.channels(list(_CHANNELS), scanLine1=structure.top + first, scanLine2=structure.top + last)
            for index, (key, part) in enumerate(zip(_CHANNELS, parts, strict=True)):
                dtype = _FLOATS[structure.channels[key].kind]
                uv[first : last + 1, :, index] = np.frombuffer(part, dtype).reshape(-1, structure.width)
    finally:
        file.close()


@dataclass(frozen=True)
class ExrChannel:
    """One channel: `kind` 0 uint32, 1 half, 2 float; `sampling` (x, y), 1 where every pixel has a value."""

    kind: int
    sampling: tuple[int, int]


@dataclass(frozen=True)
class ExrStructure:
    """What the header of an EXR with one scan-line part says.

    Attributes:
        height: in pixels.
        width: in pixels.
        top: number of the first row.
        channels: by name.
        chunk_rows: rows that are compressed together.
    """

    height: int
    width: int
    top: int
    channels: dict[str, ExrChannel]
    chunk_rows: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of all channels, decompressed."""
        return self.width * sum(2 if channel.kind == 1 else 4 for channel in self.channels.values())


def read_exr_structure(data: bytes, name: str) -> ExrStructure:
    """Check the structure of an EXR file and return what its header says; raises FormatError."""
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
        channels = _read_channels(attributes["channels"])
        offsets = struct.unpack_from(f"<{-(-height // rows)}Q", data, position)
        # Each chunk: int32 first row, int32 number of bytes, the bytes.
        end = max(offset + 8 + struct.unpack_from("<i", data, offset + 4)[0] for offset in offsets)
    except (struct.error, KeyError, IndexError, ValueError, OverflowError) as error:
        raise FormatError(f"{name}: EXR file is cut short or damaged ({len(data)} bytes)") from error
    if end != len(data):
        raise FormatError(f"{name}: expected {end} bytes by the EXR's own table, found {len(data)}")
    return ExrStructure(height, width, top, channels, rows)


def _read_channels(value: bytes) -> dict[str, ExrChannel]:
    # Each: name, 0, int32 kind, 4 bytes that mean nothing here, int32 x and y sampling; a 0 ends the list.
    channels: dict[str, ExrChannel] = {}
    position = 0
    while value[position] != 0:
        end = value.index(0, position)
        kind, _, across, down = struct.unpack_from("<iIii", value, end + 1)
        channels[value[position:end].decode("latin-1")] = ExrChannel(kind, (across, down))
        position = end + 17
    return channels


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
