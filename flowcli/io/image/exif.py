"""The one thing that is read from EXIF: how an image has to be turned (CIPA DC-008, tag 0x0112)."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
# JPEG's segment begins with this and two bytes, mostly zero, and so do the chunks that libvips, sharp and Pillow before
# 9.3 wrote elsewhere.
PREFIX = b"Exif"
_NUMBERS = {1: "B", 3: "H", 4: "I"}


def read_orientation(block: bytes) -> int:
    """Return 1 to 8 from an EXIF block, with or without its prefix; 1 (upright) if it says nothing sensible."""
    if block.startswith(PREFIX):
        block = block[len(PREFIX) + 2 :]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == _ORIENTATION and kind in _NUMBERS:
                (value,) = struct.unpack_from(order + _NUMBERS[kind], block, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
