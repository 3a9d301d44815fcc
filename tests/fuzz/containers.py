"""Changes to formats of nested parts with a size each: MP4, Matroska, RIFF, JPEG; all sizes stay right."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fuzz.mutations import Mutator


@dataclass(frozen=True)
class Part:
    """Where a part of a file starts, its content and its end, in bytes; and where the parts around it start."""

    start: int
    content: int
    end: int
    around: tuple[int, ...] = ()


Resize = Callable[[bytearray, int, int], None]
"""(file, start of a part, growth in bytes): writes the new size of the part."""


def _change(random: Random, data: bytes, parts: list[Part], resize: Resize) -> bytes:
    if not parts:
        return Mutator(random).mutate(data)
    part, action = random.choice(parts), random.randrange(8)
    old = data[part.start : part.end]
    inside = False
    if action == 0:
        new = b""
    elif action == 1:
        new = old * random.choice((2, 2, 3, 40))
    elif action == 2:
        other = random.choice(parts)
        new = data[other.start : other.end]
    else:
        inside = True
        head = part.content - part.start
        new = old[:head] + Mutator(random).mutate(old[head:])
    changed = bytearray(data[: part.start] + new + data[part.end :])
    for start in (*part.around, part.start) if inside else part.around:
        resize(changed, start, len(new) - len(old))
    return bytes(changed)


def change_boxes(random: Random, data: bytes) -> bytes:
    """Drop, repeat, replace or change a box of MP4 or QuickTime (ISO/IEC 14496-12, section 4.2)."""
    return _change(random, data, _boxes(data, 0, len(data)), _resize_box)


_BOXES_OF_BOXES = set(b"moov trak mdia minf stbl edts dinf udta moof traf mvex".split())


def _boxes(data: bytes, start: int, end: int, around: tuple[int, ...] = ()) -> list[Part]:
    found: list[Part] = []
    while start + 8 <= end:
        (size,) = struct.unpack_from(">I", data, start)
        if size < 8 or start + size > end:
            break
        found.append(Part(start, start + 8, start + size, around))
        if data[start + 4 : start + 8] in _BOXES_OF_BOXES:
            found += _boxes(data, start + 8, start + size, (*around, start))
        start += size
    return found


def _resize_box(data: bytearray, start: int, growth: int) -> None:
    (size,) = struct.unpack_from(">I", data, start)
    struct.pack_into(">I", data, start, max(0, size + growth) % 2**32)


def change_riff(random: Random, data: bytes) -> bytes:
    """Drop, repeat, replace or change a chunk of AVI or WebP (Multimedia Programming Interface 1.0, chapter 2)."""
    return _change(random, data, _chunks(data, 0, len(data)), _resize_chunk)


def _chunks(data: bytes, start: int, end: int, around: tuple[int, ...] = ()) -> list[Part]:
    found: list[Part] = []
    while start + 8 <= end:
        (size,) = struct.unpack_from("<I", data, start + 4)
        stop = min(end, start + 8 + size + size % 2)
        found.append(Part(start, start + 8, stop, around))
        if data[start : start + 4] in (b"RIFF", b"LIST"):
            found += _chunks(data, start + 12, stop, (*around, start))
        start = stop
    return found


def _resize_chunk(data: bytearray, start: int, growth: int) -> None:
    (size,) = struct.unpack_from("<I", data, start + 4)
    struct.pack_into("<I", data, start + 4, max(0, size + growth) % 2**32)


def change_matroska(random: Random, data: bytes) -> bytes:
    """Drop, repeat, replace or change an element (RFC 8794, sections 4 to 6; RFC 9559)."""
    return _change(random, data, _elements(data, 0, len(data)), _resize_element)


# Segment, SeekHead, Seek, Info, Tracks, TrackEntry, Video, Colour, Cluster, BlockGroup, Cues, CuePoint, Tags, Tag, ...
_MASTERS = set(
    b"\x18\x53\x80\x67 \x11\x4d\x9b\x74 \x4d\xbb \x15\x49\xa9\x66 \x16\x54\xae\x6b \xae \xe0 \x55\xb0".split(b" ")
    + b"\x1f\x43\xb6\x75 \xa0 \x1c\x53\xbb\x6b \xbb \xb7 \x12\x54\xc3\x67 \x73\x73 \x63\xc0 \x67\xc8".split(b" ")
)


def _width(first: int) -> int:
    # Of a number with its length in front: as many bytes as there are zeros before the first one, and one.
    return 9 - first.bit_length()


def _elements(data: bytes, start: int, end: int, around: tuple[int, ...] = ()) -> list[Part]:
    found: list[Part] = []
    while start + 2 <= end:
        sized = start + _width(data[start])
        if data[start] == 0 or sized >= end or data[sized] == 0:
            break
        width = _width(data[sized])
        content = sized + width
        size = int.from_bytes(data[sized:content], "big") - (1 << 7 * width)
        stop = end if size == (1 << 7 * width) - 1 else content + size
        if stop > end:
            break
        found.append(Part(start, content, stop, around))
        if data[start:sized] in _MASTERS:
            found += _elements(data, content, stop, (*around, start))
        start = stop
    return found


def _resize_element(data: bytearray, start: int, growth: int) -> None:
    sized = start + _width(data[start])
    width = _width(data[sized])
    unknown = (1 << 7 * width) - 1
    size = int.from_bytes(data[sized : sized + width], "big") - (1 << 7 * width)
    if size != unknown:
        size = min(unknown - 1, max(0, size + growth))
        data[sized : sized + width] = (size + (1 << 7 * width)).to_bytes(width, "big")


def change_jpeg_segments(random: Random, data: bytes) -> bytes:
    """Drop, repeat, replace or change a segment (ITU-T T.81, annex B)."""
    parts, position = [], 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        (size,) = struct.unpack_from(">H", data, position + 2)
        end = min(len(data), position + 2 + size)
        parts.append(Part(position, position + 4, end))
        if data[position + 1] == 0xDA:
            break
        position = end
    return _change(random, data, parts, _resize_segment)


def _resize_segment(data: bytearray, start: int, growth: int) -> None:
    (size,) = struct.unpack_from(">H", data, start + 2)
    struct.pack_into(">H", data, start + 2, max(0, size + growth) % 2**16)
