"""Formats simple enough for NumPy: portable maps, of which OpenCV ignores the maximum, and BMP with masks.

A BMP may say by masks where in its 16 or 32 bits the colours lie. OpenCV takes the usual places for granted where the
header has 40 or 52 bytes, and refuses 16 bits in the longer ones; Pillow refuses unusual masks.
"""

from __future__ import annotations

import re
import struct
import warnings

import numpy as np
from numpy.typing import NDArray

from flowcli.io.image.headers import PNM, PNM_HEADER_LIMIT, ImageHeader, cut_short
from flowcli.io.image.opencv import decode_with_opencv
from flowcli.io.image.stored import Plane, StoredImage, from_frame, from_planes, look_up, strips

_RGB, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
# The masks of 16 bits where the file has none.
_DEFAULT_MASKS = (0x7C00, 0x3E0, 0x1F)
_TEXT_PART = 2**22


def decode_pnm(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode a plain or binary PGM or PPM of any maximum (netpbm.sourceforge.net/doc/ppm.html)."""
    match = PNM.match(data[:PNM_HEADER_LIMIT])
    assert match is not None
    maximum, height, width, channels = int(match[4]), header.height, header.width, header.channels
    if match[1] in b"56":
        dtype = np.dtype(">u2" if maximum > 255 else "u1")
        samples = np.frombuffer(data, dtype, height * width * channels, offset=match.end() + 1)
    else:
        samples = _read_numbers(data, match.end(), height * width * channels, name)
    samples = samples.reshape(height, width, channels)
    if maximum <= 255:
        samples = samples.astype(np.uint8, copy=False)
    if maximum == 255 and samples.dtype == np.uint8 and channels == 3:
        return from_frame(samples.copy())
    planes = tuple(samples[..., channel] for channel in range(channels))
    if maximum > 255:
        return StoredImage(planes, (0, maximum))
    if maximum == 255:
        return from_planes(planes, (0, 255))
    table = ((np.arange(256).clip(0, maximum) * 255 + maximum // 2) // maximum).astype(np.uint8)
    return from_planes(tuple(look_up(table, plane) for plane in planes), (0, 255))


def _read_numbers(data: bytes, position: int, count: int, name: str) -> NDArray[np.uint16]:
    if data.find(b"#", position) >= 0:
        data, position = re.sub(rb"#[^\n]*", b" ", data[position:]), 0
    samples, filled = np.empty(count, np.uint16), 0
    while filled < count and position < len(data):
        end = min(position + _TEXT_PART, len(data))
        # To the next white space, so that no number is cut in two.
        while end < len(data) and not data[end : end + 1].isspace():
            end += 1
        part = data[position:end]
        position = end
        if not part.strip():
            continue
        try:
            with warnings.catch_warnings():  # what NumPy up to 2.2 gives where later ones raise
                warnings.simplefilter("error", DeprecationWarning)
                numbers = np.fromstring(part, np.int64, sep=" ")[: count - filled]
        except (ValueError, DeprecationWarning):
            raise cut_short(name, "PNM", data) from None
        if numbers.size and not 0 <= numbers.min() <= numbers.max() <= 65535:
            raise cut_short(name, "PNM", data)
        samples[filled : filled + numbers.size] = numbers
        filled += numbers.size
    if filled < count:
        raise cut_short(name, "PNM", data)
    return samples


def decode_bmp(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode a BMP: 16 and 32 bits by their masks, anything else through OpenCV."""
    (pixels_at, header_bytes) = struct.unpack_from("<II", data, 10)
    if header_bytes < 40:
        return decode_with_opencv(data, header, name)
    bits, compression = struct.unpack_from("<HI", data, 28)
    if bits not in (16, 32) or compression not in (_RGB, _BITFIELDS, _ALPHA_BITFIELDS):
        return decode_with_opencv(data, header, name)
    masks = _DEFAULT_MASKS if bits == 16 else (0xFF0000, 0xFF00, 0xFF)
    if compression != _RGB:
        # Inside the longer headers, right after the shortest one.
        masks = struct.unpack_from("<III", data, 54)
    line = -(-header.width * bits // 32) * 4
    if len(data) < pixels_at + line * header.height:
        raise cut_short(name, "BMP", data)
    lines = np.frombuffer(data, np.uint8, line * header.height, pixels_at).reshape(header.height, line)
    words = lines.view(f"<u{bits // 8}")[:, : header.width]
    (stored_height,) = struct.unpack_from("<i", data, 22)
    if stored_height > 0:
        words = words[::-1]
    frame = np.empty((header.height, header.width, 3), np.uint8)
    for rows in strips(header.height, header.width):
        for channel, mask in enumerate(masks):
            frame[rows, :, channel] = _by_mask(words[rows], mask)
    return from_frame(frame)


def _by_mask(words: Plane, mask: int) -> NDArray[np.uint8]:
    if mask == 0:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    values = (words & words.dtype.type(mask & int(np.iinfo(words.dtype).max))) >> words.dtype.type(shift)
    if most == 255:
        return values.astype(np.uint8)
    return ((values.astype(np.uint64) * 255 + most // 2) // most).astype(np.uint8)
