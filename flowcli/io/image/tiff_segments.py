"""Strips and tiles of a TIFF page to planes, in NumPy, with FFmpeg's and Pillow's decoders for LZW and zstd.

For what tifffile cannot decode without imagecodecs: LZW, zstd, LZMA, floating-point predictors, and samples that are no
whole bytes. A decompressed segment is at most as large as the tags say, whatever its bytes would unpack to, and goes to
its place in the planes at once.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.io.image import tiff_header as tags
from flowcli.io.image.film import decode_with_ffmpeg
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.plugins import open_plugin
from flowcli.io.image.stored import Plane, strips
from flowcli.io.image.tiff_header import TiffPage
from flowcli.io.limits import check_decoding

NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
SEGMENT_COMPRESSIONS = {NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD}
_UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4
_KINDS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f", _UNDEFINED: "u"}
_HORIZONTAL, _FLOATING = 2, 3
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


@dataclass(frozen=True)
class Layout:
    """How the samples of a page lie in its segments.

    Attributes:
        height: of the page in pixels.
        width: likewise.
        samples: components per pixel.
        kept: how many of them are colours.
        bits: per component.
        dtype: of a component when unpacked, in the byte order of the file.
        planar: whether each component has segments of its own.
        segment: (height, width) of a strip or tile.
        tiled: whether it is tiles.
    """

    height: int
    width: int
    samples: int
    kept: int
    bits: int
    dtype: np.dtype[np.generic]
    planar: bool
    segment: tuple[int, int]
    tiled: bool

    @property
    def whole_bytes(self) -> bool:
        """Whether a component has 8, 16, 32 or 64 bits."""
        return self.bits == 8 * self.dtype.itemsize

    @property
    def together(self) -> int:
        """Components that lie beside each other."""
        return 1 if self.planar else self.samples

    @property
    def line_bytes(self) -> int:
        """Bytes of a line of a segment."""
        return -(-self.segment[1] * self.together * self.bits // 8)

    @property
    def kept_dtype(self) -> np.dtype[np.generic]:
        """Of the planes that come out: floats of at most 4 bytes, because a frame needs no more."""
        native = self.dtype.newbyteorder("=")
        return np.dtype(np.float32) if native.itemsize > 4 else native

    def check(self, name: str, copies: int) -> None:
        """Raise FormatError if decoding takes much more than the planes and the frame."""
        pixels = self.height * self.width
        planes = pixels * self.kept * self.kept_dtype.itemsize
        segment = self.segment[0] * self.line_bytes
        check_decoding(name, planes + copies * segment, planes + 3 * pixels)


def read_layout(page: TiffPage, kept: int, name: str) -> Layout:
    """Return the layout that the tags of a page describe.

    Args:
        page: of any kind.
        kept: how many components are colours.
        name: the file, for messages.

    Raises:
        FormatError: components of unequal or unknown kinds, or too few of them.
        struct.error: a tag lies beyond the end of the file.
    """
    height, width = page.size
    samples, bits = page.samples, page.bits
    kinds = page.values(tags.FORMAT, (_UNSIGNED,))
    if not kept <= samples <= 64 or len(set(bits[:kept])) != 1 or len(set(kinds[:kept])) != 1:
        raise FormatError(
            f"{name}: expected {kept} to 64 equal components per pixel, found {samples} of {bits[:8]} bits"
        )
    kind = _KINDS.get(kinds[0])
    depth = bits[0]
    item = next((size for size in (1, 2, 4, 8) if depth <= 8 * size), 0)
    if kind is None or item == 0 or depth == 0 or (kind != "u" and depth != 8 * item) or (kind == "f" and item == 1):
        raise FormatError(f"{name}: expected integers or floats of up to 64 bits in the TIFF file, found {depth} bits")
    planar = page.value(tags.PLANAR, 1) == 2 and samples > 1
    tiled = tags.TILE_WIDTH in page.entries
    if tiled:
        segment = page.value(tags.TILE_HEIGHT, 0), page.value(tags.TILE_WIDTH, 0)
    else:
        segment = min(page.value(tags.ROWS_PER_STRIP, height), height), width
    if 0 in segment or (not planar and len(set(bits)) != 1):
        raise FormatError(f"{name}: TIFF file is damaged: its strips or tiles have no size")
    dtype = np.dtype(f"{page.order}{kind}{item}")
    return Layout(height, width, samples, kept, depth, dtype, planar, segment, tiled)


def read_segments(page: TiffPage, layout: Layout, name: str) -> tuple[Plane, ...]:
    """Return the colour components of a page as planes `(H, W)`; raises FormatError, or struct.error for bad tags."""
    compression = page.value(tags.COMPRESSION, NONE)
    predictor, reverse = page.value(tags.PREDICTOR, 1), page.value(tags.FILL_ORDER, 1) == 2
    layout.check(name, 1 if compression == NONE else 3)
    planes = np.zeros((layout.kept, layout.height, layout.width), layout.kept_dtype)
    offsets = page.values(tags.TILE_OFFSETS if layout.tiled else tags.STRIP_OFFSETS)
    counts = page.values(tags.TILE_COUNTS if layout.tiled else tags.STRIP_COUNTS)
    view = memoryview(page.data)
    for place in _places(layout):
        if place.number >= len(offsets):
            raise FormatError(f"{name}: TIFF file is cut short: it has {len(offsets)} strips or tiles, too few")
        start = offsets[place.number]
        rows = layout.segment[0] if layout.tiled else place.height
        expected = rows * layout.line_bytes
        # Old files have no counts where nothing is compressed; a tile without bytes, as GDAL leaves, is all zeros.
        count = counts[place.number] if place.number < len(counts) else expected
        if count == 0:
            continue
        if start + count > len(view):
            raise FormatError(f"{name}: TIFF file is cut short after {len(view)} bytes")
        stored = bytes(view[start : start + count]) if compression != NONE else view[start : start + count]
        if reverse:
            stored = _REVERSED[np.frombuffer(stored, np.uint8)].tobytes()
        content = _decompress(compression, stored, rows, layout.line_bytes, name)
        lines = np.frombuffer(content, np.uint8)
        if lines.size < expected:
            raise FormatError(f"{name}: TIFF file is damaged: a strip or tile has {lines.size} of {expected} bytes")
        lines = lines[:expected].reshape(rows, layout.line_bytes)
        across = place.left, min(place.left + layout.segment[1], layout.width)
        for part in strips(place.height, layout.segment[1] * layout.together):
            samples = _unpack(lines[: place.height][part], layout, predictor)
            for index, channel in enumerate(place.channels):
                target = planes[channel, place.top : place.top + place.height, across[0] : across[1]]
                with np.errstate(over="ignore"):
                    target[part] = samples[:, : across[1] - across[0], index]
    return tuple(planes)


@dataclass(frozen=True)
class _Place:
    number: int
    top: int
    left: int
    height: int
    channels: tuple[int, ...]


def _places(layout: Layout) -> Iterator[_Place]:
    tall, wide = layout.segment
    number = 0
    for component in range(layout.samples if layout.planar else 1):
        if component >= layout.kept:
            return
        channels = (component,) if layout.planar else tuple(range(layout.kept))
        for top in range(0, layout.height, tall):
            for left in range(0, layout.width, wide):
                yield _Place(number, top, left, min(tall, layout.height - top), channels)
                number += 1


def _decompress(
    compression: int, stored: bytes | memoryview, rows: int, line_bytes: int, name: str
) -> bytes | memoryview:
    if compression == NONE:
        return stored
    try:
        if compression in (DEFLATE, OLD_DEFLATE):
            return zlib.decompressobj().decompress(stored, rows * line_bytes)
        if compression == LZMA:
            return lzma.LZMADecompressor().decompress(bytes(stored), rows * line_bytes)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise FormatError(f"{name}: TIFF file is damaged: {error}") from None
    # As an 8-bit grey picture of its own, a decoder of TIFF unpacks whatever a segment holds. FFmpeg has no zstd, and
    # libtiff writes to stderr what it thinks of damaged LZW.
    picture = _wrap(compression, bytes(stored), rows, line_bytes)
    if compression in (LZW, PACKBITS):
        (plane,) = decode_with_ffmpeg("tiff", picture, ImageHeader(rows, line_bytes, kind="TIFF"), name).planes
        return np.ascontiguousarray(plane).data.cast("B")
    with open_plugin(picture, "pillow", name) as file:
        pixels = np.asarray(file.read(index=0, mode="L", writeable_output=False))
    if pixels.shape != (rows, line_bytes):
        raise FormatError(f"{name}: TIFF file is damaged: a strip or tile cannot be decompressed")
    return np.ascontiguousarray(pixels).data.cast("B")


def _wrap(compression: int, stored: bytes, height: int, width: int) -> bytes:
    entries = {
        tags.WIDTH: width,
        tags.HEIGHT: height,
        tags.BITS: 8,
        tags.COMPRESSION: compression,
        tags.PHOTOMETRIC: tags.BLACK_IS_ZERO,
        tags.STRIP_OFFSETS: 0,
        tags.SAMPLES: 1,
        tags.ROWS_PER_STRIP: height,
        tags.STRIP_COUNTS: len(stored),
    }
    start = 8 + 2 + 12 * len(entries) + 4
    entries[tags.STRIP_OFFSETS] = start
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4) + stored


def _unpack(lines: NDArray[np.uint8], layout: Layout, predictor: int) -> NDArray[np.generic]:
    # uint8 (rows, line bytes) -> (rows, width, components) of the layout's dtype.
    shape = len(lines), layout.segment[1], layout.together
    if not layout.whole_bytes:
        return _unpack_bits(lines, layout.bits, shape[1] * shape[2], layout.dtype.newbyteorder("=")).reshape(shape)
    if predictor == _FLOATING and layout.dtype.kind == "f":
        # Bytes of equal weight lie together, the highest first, each as its difference from the one before.
        item = layout.dtype.itemsize
        summed = np.cumsum(lines.reshape(len(lines), -1, layout.together), axis=1, dtype=np.uint8)
        weights = summed.reshape(len(lines), item, -1)
        return np.ascontiguousarray(np.moveaxis(weights, 1, 2)).view(f">f{item}").reshape(shape)
    samples = np.ascontiguousarray(lines).view(layout.dtype).reshape(shape)
    if predictor == _HORIZONTAL:
        whole = samples.view(samples.dtype.str.replace("f", "u").replace("i", "u"))
        native = np.cumsum(whole, axis=1, dtype=whole.dtype.newbyteorder("="))
        return native.view(layout.dtype.newbyteorder("="))
    return samples


def _unpack_bits(lines: NDArray[np.uint8], bits: int, count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    # The highest bit first, in any byte order of the file.
    single = np.unpackbits(lines, axis=1)[:, : count * bits].reshape(len(lines), count, bits)
    values = np.zeros((len(lines), count), dtype)
    for bit in range(bits):
        values = values * dtype.type(2) + single[..., bit]
    return values.astype(dtype)
