"""The header of an OpenEXR file (openexr.com, "OpenEXR File Layout"): magic, version, attributes, then the chunks."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from flowcli.errors import FormatError
from flowcli.io.limits import check_size

EXR_MAGIC = b"\x76\x2f\x31\x01"
HALF = 1
# Rows per chunk for compressions 0 to 9 of the format: none, rle, zips, zip, piz, pxr24, b44, b44a, dwaa, dwab.
_CHUNK_ROWS = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)
_TILED, _SEVERAL_PARTS = 0x200, 0x1800


@dataclass(frozen=True)
class ExrChannel:
    """One channel: `kind` 0 uint32, 1 half, 2 float; `sampling` (x, y), 1 where every pixel has a value."""

    kind: int
    sampling: tuple[int, int]


@dataclass(frozen=True)
class ExrHeader:
    """What the header of an EXR says of its first part.

    Attributes:
        height: of the data in pixels.
        width: likewise.
        top: number of the first row.
        display: (height, width) of what is meant to be seen.
        is_whole: whether the data fill the display window.
        is_scanline: whether it is one part of rows, not tiles or several parts.
        channels: by name, in the order of the file.
        chunk_rows: rows that are compressed together.
    """

    height: int
    width: int
    top: int
    display: tuple[int, int]
    is_whole: bool
    is_scanline: bool
    channels: dict[str, ExrChannel]
    chunk_rows: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of all channels, decompressed."""
        return self.width * sum(2 if channel.kind == HALF else 4 for channel in self.channels.values())


def read_exr_header(data: bytes, name: str) -> ExrHeader:
    """Read the header, and check by the table of chunks that the end is there (of rows, not of tiles).

    Raises:
        FormatError: no EXR, empty or too large, damaged, or cut short.
    """
    if data[:4] != EXR_MAGIC:
        raise FormatError(f"{name}: expected an EXR file, found data starting {data[:4]!r}")
    try:
        (version,) = struct.unpack_from("<I", data, 4)
        attributes, position = _read_attributes(data, name)
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        check_size(name, height, width)
        x1, y1, x2, y2 = struct.unpack("<4i", attributes["displayWindow"])
        check_size(name, y2 - y1 + 1, x2 - x1 + 1)
        rows = _CHUNK_ROWS[attributes["compression"][0]]
        header = ExrHeader(
            height,
            width,
            top,
            (y2 - y1 + 1, x2 - x1 + 1),
            attributes["displayWindow"] == attributes["dataWindow"],
            not version & (_TILED | _SEVERAL_PARTS),
            _read_channels(attributes["channels"]),
            rows,
        )
        if not header.is_scanline:
            return header
        offsets = struct.unpack_from(f"<{-(-height // rows)}Q", data, position)
        # Each chunk: int32 first row, int32 number of bytes, the bytes.
        end = max(offset + 8 + struct.unpack_from("<i", data, offset + 4)[0] for offset in offsets)
    except (struct.error, KeyError, IndexError, ValueError, OverflowError) as error:
        raise FormatError(f"{name}: EXR file is cut short or damaged ({len(data)} bytes)") from error
    if end != len(data):
        raise FormatError(f"{name}: expected {end} bytes by the EXR's own table, found {len(data)}")
    return header


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
