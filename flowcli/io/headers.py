"""Image headers: which kind of image the bytes are, its size, and whether its end is there.

Read before anything is decoded, so that a header that promises 60000x60000 pixels, or a download that broke off, is
one clear line with every version of the decoder.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from flowcli.errors import FormatError
from flowcli.io.png import SIGNATURE, check_png

# In the entropy-coded data of a JPEG, 0xFF is followed by a stuffed 0 or a restart marker; anything else is a marker.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_SIZE_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_TIFF_NUMBER = {3: "H", 4: "I", 16: "Q"}
PNM = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 3)


def read_header(data: bytes, name: str) -> tuple[str, int, int]:
    """Return (kind, height, width) of an encoded image; kind is a key of HEADER_READERS.

    The size is that of the stored pixels, before any EXIF rotation.

    Raises:
        FormatError: the bytes are none of the kinds, or the image is visibly cut short.
    """
    if not data:
        raise FormatError(f"{name}: expected an image, found an empty file")
    for kind, (signature, read_size) in HEADER_READERS.items():
        if signature.match(data):
            try:
                height, width = read_size(data, name)
            except struct.error:
                raise _cut_short(name, kind, data) from None
            return kind, height, width
    raise FormatError(f"{name}: expected an image ({', '.join(HEADER_READERS)}), found data starting {data[:8]!r}")


def _cut_short(name: str, kind: str, data: bytes) -> FormatError:
    return FormatError(f"{name}: {kind} file is cut short or damaged ({len(data)} bytes)")


def _read_png_size(data: bytes, name: str) -> tuple[int, int]:
    header = check_png(data, name)
    return header.height, header.width


def _read_jpeg_size(data: bytes, name: str) -> tuple[int, int]:
    size, position = None, 2
    while position + 2 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF:
            break
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xD9 and size is not None:
            return size
        length = struct.unpack_from(">H", data, position + 2)[0]
        if marker in _JPEG_SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, position + 5)
            size = height, width
        position += 2 + length
        if marker == 0xDA:  # start of scan: pixels follow, up to the next marker
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                break
            position = found.start()
            if data[position + 1] == 0xD9 and size is not None:
                return size
    raise _cut_short(name, "JPEG", data)


def _read_pnm_size(data: bytes, name: str) -> tuple[int, int]:
    match = PNM.match(data)
    if match is None:
        raise _cut_short(name, "PNM", data)
    width, height, maximum = int(match[2]), int(match[3]), int(match[4])
    if not 1 <= maximum <= 65535:
        raise FormatError(f"{name}: expected a PNM maximum of 1 to 65535, found {maximum}")
    channels = 3 if match[1] in b"36" else 1
    samples = height * width * channels
    # Plain text takes a separator and a digit for each.
    least = 2 * samples if match[1] in b"23" else 1 + samples * (2 if maximum > 255 else 1)
    if len(data) - match.end() < least:
        raise _cut_short(name, "PNM", data)
    return height, width


def _read_bmp_size(data: bytes, name: str) -> tuple[int, int]:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(height), width  # negative: rows from the top


def _read_webp_size(data: bytes, name: str) -> tuple[int, int]:
    kind = data[12:16]
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data) + 1:  # the padding byte at the end may be missing
        raise _cut_short(name, "WebP", data)
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        if len(data) < 30:
            raise _cut_short(name, "WebP", data)
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return height, width


def _read_tiff_size(data: bytes, name: str) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    sides: dict[int, int] = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, number_type = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257) and number_type in _TIFF_NUMBER:
            sides[tag] = struct.unpack_from(order + _TIFF_NUMBER[number_type], data, entry + 8)[0]
    if len(sides) < 2:
        raise FormatError(f"{name}: TIFF file is damaged: its first image has no size")
    return sides[257], sides[256]


HEADER_READERS: dict[str, tuple[re.Pattern[bytes], Callable[[bytes, str], tuple[int, int]]]] = {
    "PNG": (re.compile(re.escape(SIGNATURE)), _read_png_size),
    "JPEG": (re.compile(rb"\xff\xd8\xff"), _read_jpeg_size),
    "PNM": (re.compile(rb"P[2356][\s#]"), _read_pnm_size),
    "BMP": (re.compile(rb"BM.{4}\0{4}", re.DOTALL), _read_bmp_size),
    "TIFF": (re.compile(rb"II\*\0|MM\0\*"), _read_tiff_size),
    "WebP": (re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL), _read_webp_size),
}
