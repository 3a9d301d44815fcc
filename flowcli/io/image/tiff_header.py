"""The directories of a TIFF or BigTIFF file (Adobe, "TIFF Revision 6.0"; awaresystems.be/imaging/tiff/bigtiff.html).

Read by ourselves and held against the bytes that are there, so that no library meets a size that it would believe.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from flowcli.errors import FormatError
from flowcli.io.image.headers import cut_short

# Type of a value -> its format, those that can occur in the tags below.
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
# The tags that we ask for.
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLORMAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, FORMAT = 317, 320, 322, 323, 324, 325, 339
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
_REDUCED_OR_MASK = 0b101
# Enough for 8192x8192 pixels in tiles of 16x16 with a plane for each of four components.
_MOST_VALUES = 2**20
_MOST_PAGES = 2**17


@dataclass(frozen=True, eq=False)
class TiffPage:
    """One directory of the file: an image with its tags.

    Attributes:
        data: the whole file.
        order: "<" or ">", the byte order of numbers.
        entries: tag -> (type, number of values, where they lie).
        number: of the page among all in the file, previews too.
    """

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int]]
    number: int

    def values(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the first 2^20 integers of a tag; `default` where it is absent.

        Raises:
            struct.error: they lie beyond the end of the file.
        """
        if tag not in self.entries:
            return default
        kind, count, position = self.entries[tag]
        if kind not in _FORMATS:
            return default
        letter, count = _FORMATS[kind], min(count, _MOST_VALUES)
        if position + count * struct.calcsize(letter) > len(self.data):
            raise struct.error("a tag lies beyond the end of the file")
        return struct.unpack_from(f"{self.order}{count}{letter}", self.data, position)

    def value(self, tag: int, default: int) -> int:
        """Return the first integer of a tag."""
        return (self.values(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width); 0 where it is not said."""
        return self.value(HEIGHT, 0), self.value(WIDTH, 0)

    @property
    def samples(self) -> int:
        """Components per pixel, as the file claims."""
        return self.value(SAMPLES, 1)

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of each component."""
        return self.values(BITS, (1,))

    @property
    def is_frame(self) -> bool:
        """Whether it is an image of its own: no preview of another, and no mask."""
        return not self.value(SUBFILE, 0) & _REDUCED_OR_MASK


def read_tiff_pages(data: bytes, name: str) -> list[TiffPage]:
    """Return the pages that could be frames of one sequence: as large as the first, no previews and no masks.

    Raises:
        FormatError: the first page is damaged, cut short or has no size.
    """
    pages = _walk(data)
    try:
        first = next(pages)
        size = first.size
    except (struct.error, StopIteration):
        raise cut_short(name, "TIFF", data) from None
    if 0 in size:
        raise FormatError(f"{name}: TIFF file is damaged: its first image has no size")
    found = [first]
    # Where the chain leads out of the file, the pages so far are the whole of what can be read.
    with suppress(struct.error):
        for page in pages:
            if page.is_frame and page.size == size:
                found.append(page)
            if page.number == _MOST_PAGES:
                raise FormatError(f"{name}: expected at most {_MOST_PAGES} pages, found more; split the file first")
    return found


def _walk(data: bytes) -> Iterator[TiffPage]:
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    big = version == 43
    pointer, number, entry_bytes, inline = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    (place,) = struct.unpack_from(order + pointer, data, 8 if big else 4)
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        if place >= len(data):
            raise struct.error("a directory lies beyond the end of the file")
        (count,) = struct.unpack_from(order + number, data, place)
        start = place + struct.calcsize(order + number)
        if start + count * entry_bytes > len(data):
            raise struct.error("a directory lies beyond the end of the file")
        entries: dict[int, tuple[int, int, int]] = {}
        for entry in range(start, start + count * entry_bytes, entry_bytes):
            tag, kind, values = struct.unpack_from(order + "HH" + pointer, data, entry)
            position = entry + entry_bytes - inline
            if kind in _FORMATS and values * struct.calcsize(_FORMATS[kind]) > inline:
                # Beyond the end or not is found out by whoever asks for the values.
                (position,) = struct.unpack_from(order + pointer, data, position)
            entries.setdefault(tag, (kind, values, position))
        yield TiffPage(data, order, entries, len(seen) - 1)
        (place,) = struct.unpack_from(order + pointer, data, start + count * entry_bytes)
