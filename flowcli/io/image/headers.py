"""Headers of PNG, JPEG, PNM, BMP, WebP, GIF and TGA: the size, what decoding has to know, and whether the end is there.

Read before anything is decoded, so that a header that promises 60000x60000 pixels, or a download that broke off, is
one clear line with every version of the decoder. `tiff_header` and `film_headers` hold those of the larger formats.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction

from flowcli.errors import FormatError
from flowcli.io.image.exif import PREFIX, read_orientation
from flowcli.io.png import check_png, read_duration

# Marker segments of a JPEG may have fill bytes, and by the practice of every decoder anything, between them. In the
# entropy-coded data 0xFF is followed by a stuffed 0 or a restart marker.
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")
_JPEG_SIZE_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
# No header is longer; a file of nothing but spaces must not cost the expression memory for each of them.
PNM_HEADER_LIMIT = 2**16
PNM = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 3)


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image before it is decoded.

    Attributes:
        height: of the stored pixels in pixels, before they are turned.
        width: likewise.
        channels: components per pixel.
        depth: bits per component.
        orientation: value of the EXIF tag, 1 for upright.
        pages: how many images the file holds that could be frames of a sequence.
        durations: seconds for which each frame of an animation is shown; empty for others.
        first: number of the first of these frames as decoders count.
        kind: the name of the format, for messages.
    """

    height: int
    width: int
    channels: int = 3
    depth: int = 8
    orientation: int = 1
    pages: int = 1
    durations: tuple[Fraction, ...] = ()
    first: int = 0
    kind: str = "image"


def cut_short(name: str, kind: str, data: bytes) -> FormatError:
    """Return the error for a file whose end is missing or whose parts don't fit."""
    return FormatError(f"{name}: {kind} file is cut short or damaged ({len(data)} bytes)")


def read_png_header(data: bytes, name: str) -> ImageHeader:
    """Read a PNG; see `check_png`."""
    png = check_png(data, name)
    frames = png.durations if len(png.durations) > 1 else ()
    return ImageHeader(
        png.height,
        png.width,
        {0: 1, 3: 1, 4: 2, 6: 4}.get(png.color_type, 3),
        png.bit_depth,
        read_orientation(png.exif),
        max(1, len(frames)),
        frames,
        1 if png.first_is_apart else 0,
    )


def read_jpeg_header(data: bytes, name: str) -> ImageHeader:
    """Read a JPEG to its end marker; raises FormatError if there is none."""
    size: tuple[int, int, int, int] | None = None
    orientation: int | None = None
    position = 2
    while True:
        found = _JPEG_MARKER.search(data, position)
        if found is None:
            raise cut_short(name, "JPEG", data)
        marker, position = found[1][0], found.end()
        if marker == 0xD9:
            if size is None:
                raise cut_short(name, "JPEG", data)
            height, width, channels, depth = size
            return ImageHeader(height, width, channels, depth, orientation or 1)
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _JPEG_SIZE_MARKERS and size is None:
            depth, height, width, channels = struct.unpack_from(">BHHB", data, position + 2)
            size = height, width, channels, depth
        elif marker == 0xE1 and orientation is None and data[position + 2 : position + 6] == PREFIX:
            orientation = read_orientation(bytes(data[position + 2 : position + length]))
        elif marker == 0xDC and size is not None and size[0] == 0:  # the number of lines, known only after them
            size = (struct.unpack_from(">H", data, position + 2)[0], *size[1:])
        position += length


def tidy_jpeg(data: bytes) -> bytes:
    """Return a JPEG that `read_jpeg_header` has read, without stray bytes before its pixels: libjpeg prints them."""
    parts, position, kept = [data[:2]], 2, 2
    while True:
        found = _JPEG_MARKER.search(data, position)
        if found is None:
            return data
        marker, start = found[1][0], found.end()
        if marker == 0xDA:
            parts.append(b"\xff" + data[start - 1 :])
            return data if kept + len(parts[-1]) == len(data) else b"".join(parts)
        position = start + struct.unpack_from(">H", data, start)[0]
        parts.append(b"\xff" + data[start - 1 : position])
        kept += len(parts[-1])


def read_pnm_header(data: bytes, name: str) -> ImageHeader:
    """Read a plain or binary PGM or PPM; raises FormatError if there are fewer samples than it promises."""
    match = PNM.match(data[:PNM_HEADER_LIMIT])
    if match is None:
        raise cut_short(name, "PNM", data)
    width, height, maximum = int(match[2]), int(match[3]), int(match[4])
    if not 1 <= maximum <= 65535:
        raise FormatError(f"{name}: expected a PNM maximum of 1 to 65535, found {maximum}")
    channels = 3 if match[1] in b"36" else 1
    samples = height * width * channels
    # Plain text takes a separator and a digit for each.
    least = 2 * samples if match[1] in b"23" else 1 + samples * (2 if maximum > 255 else 1)
    if len(data) - match.end() < least:
        raise cut_short(name, "PNM", data)
    return ImageHeader(height, width, channels, 8 if maximum <= 255 else 16)


def read_bmp_header(data: bytes, name: str) -> ImageHeader:
    """Read a BMP of any of its seven headers."""
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader(abs(height), width)  # negative: rows from the top


def read_webp_header(data: bytes, name: str) -> ImageHeader:
    """Read a WebP, still or animated (developers.google.com/speed/webp/docs/riff_container)."""
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data) + 1:  # the padding byte at the end may be missing
        raise cut_short(name, "WebP", data)
    size: tuple[int, int] | None = None
    orientation, durations = 1, []
    position = 12
    while position + 8 <= min(end, len(data)):
        kind, (length,) = data[position : position + 4], struct.unpack_from("<I", data, position + 4)
        start = position + 8
        if kind == b"VP8X":
            if len(data) < start + 10:
                raise cut_short(name, "WebP", data)
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (start + 4, start + 7))
            size = height, width
        elif kind == b"VP8L" and size is None:
            (bits,) = struct.unpack_from("<I", data, start + 1)
            size = (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        elif kind == b"VP8 " and size is None:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, start + 6))
            size = height, width
        elif kind == b"ANMF":
            durations.append(read_duration(int.from_bytes(data[start + 12 : start + 15], "little"), 1000))
        elif kind == b"EXIF":
            orientation = read_orientation(bytes(data[start : start + length]))
        position = start + length + length % 2
    if size is None:
        raise cut_short(name, "WebP", data)
    frames = tuple(durations) if len(durations) > 1 else ()
    return ImageHeader(*size, orientation=orientation, pages=max(1, len(frames)), durations=frames)


def read_gif_header(data: bytes, name: str) -> ImageHeader:
    """Read the logical screen of a GIF; raises FormatError if its trailer is missing."""
    width, height = struct.unpack_from("<HH", data, 6)
    if b"\x3b" not in data[-64:]:
        raise cut_short(name, "GIF", data)
    return ImageHeader(height, width)


def read_tga_header(data: bytes, name: str) -> ImageHeader:
    """Read the 18 bytes of a Truevision TGA (TGA specification 2.0, section 4)."""
    kind = data[2]
    width, height, bits = struct.unpack_from("<HHB", data, 12)
    palette_entries, palette_bits = struct.unpack_from("<HB", data, 5)
    start = 18 + data[0] + (palette_entries * -(-palette_bits // 8) if data[1] else 0)
    if kind < 8 and len(data) < start + width * height * -(-bits // 8):
        raise cut_short(name, "TGA", data)
    return ImageHeader(height, width, max(1, bits // 8))
