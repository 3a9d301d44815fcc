"""The frame around PNG pixels: header and chunks (PNG specification, third edition, sections 5 and 11.2.1).

Decoders differ in what they do with a damaged file: some return the rows they got and say nothing. Checking the chunk
structure first makes damage an error everywhere, and tells the size before anything is decompressed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction

from flowcli.errors import FormatError
from flowcli.io.limits import check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB = 2


@dataclass(frozen=True)
class PngHeader:
    """What the IHDR chunk says, and where the file ends.

    Attributes:
        height: in pixels.
        width: in pixels.
        bit_depth: bits per channel (or per palette index).
        color_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        interlaced: whether the rows come in seven passes.
        end: number of bytes up to and including the IEND chunk.
        exif: content of the eXIf chunk, or nothing.
        durations: seconds of each frame of an animation (APNG); empty for a still.
        first_is_apart: whether the picture that viewers without animation show is no frame of the animation.
    """

    height: int
    width: int
    bit_depth: int
    color_type: int
    interlaced: bool = False
    end: int = 0
    exif: bytes = b""
    durations: tuple[Fraction, ...] = ()
    first_is_apart: bool = False


def check_png(data: bytes, name: str) -> PngHeader:
    """Walk all chunks of a PNG file and return its header.

    Args:
        data: the file's bytes; what follows IEND is not looked at.
        name: the file, for messages.

    Raises:
        FormatError: not a PNG, too many pixels, a chunk cut short, or a checksum that does not match.
    """
    if data[:8] != SIGNATURE:
        raise FormatError(f"{name}: expected a PNG file, found other data")
    header: PngHeader | None = None
    exif, animated, pixels_seen, apart = b"", False, False, False
    durations: list[Fraction] = []
    view, position = memoryview(data), 8
    while True:
        if position + 12 > len(data):
            raise FormatError(f"{name}: PNG file is cut short after {len(data)} bytes")
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if end > len(data):
            raise FormatError(f"{name}: PNG file is cut short after {len(data)} bytes")
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(view[position + 4 : end - 4]):
            raise FormatError(f"{name}: PNG file is damaged: wrong checksum of the chunk at byte {position}")
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise FormatError(f"{name}: PNG file is damaged: expected the chunk IHDR first")
            width, height, bit_depth, color_type, _, _, passes = struct.unpack_from(">IIBBBBB", data, position + 8)
            check_size(name, height, width)
            header = PngHeader(height, width, bit_depth, color_type, passes != 0)
        elif kind == b"eXIf":
            exif = bytes(view[position + 8 : end - 4])
        elif kind == b"acTL":
            animated = True
        elif kind == b"fcTL" and length == 26:
            durations.append(read_duration(*struct.unpack_from(">HH", data, position + 28)))
        elif kind == b"IDAT" and not pixels_seen:
            pixels_seen, apart = True, animated and not durations
        elif kind == b"IEND":
            return replace(header, end=end, exif=exif, durations=tuple(durations) * animated, first_is_apart=apart)
        position = end


def read_duration(numerator: int, denominator: int) -> Fraction:
    """Return the seconds for which a frame of an animation is shown; 0 means 1/10, as in browsers."""
    return Fraction(numerator, denominator or 100) or Fraction(1, 10)
