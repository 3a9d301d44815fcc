"""TIFF of every depth, layout and compression that people have.

Three ways, by what the page is:

- tifffile, behind imageio, where it needs no help: whole bytes per sample, as they are, deflated or PackBits.
- `tiff_segments` for LZW, zstd, LZMA, floating-point predictors, doubles, and samples of 2, 4, 10 or 12 bits. tifffile
  leaves most of these to imagecodecs, 25 MB that nobody else here needs.
- Pillow, behind imageio, for 8-bit kinds with colours of their own: JPEG, YCbCr, fax, CIE L*a*b*.

OpenCV reads none: of planes of 16 bits it gives memory that nobody wrote, it forgets that white is zero in more than 8
bits, and multiplies colours by their transparency.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.io.image import tiff_header as tags
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.plugins import decode_with_pillow, read_tiff_page
from flowcli.io.image.stored import Plane, StoredImage, from_planes, look_up, strips
from flowcli.io.image.tiff_header import TiffPage, read_tiff_pages
from flowcli.io.image.tiff_segments import (
    DEFLATE,
    NONE,
    OLD_DEFLATE,
    PACKBITS,
    SEGMENT_COMPRESSIONS,
    Layout,
    read_layout,
    read_segments,
)

_TIFFFILE_COMPRESSIONS = {NONE, DEFLATE, OLD_DEFLATE, PACKBITS}
# Fax, both JPEGs, WebP: libtiff has them, in 8 bits or one.
_PILLOW_COMPRESSIONS = {2, 3, 4, 6, 7, 50001}
_COLOURS = {tags.WHITE_IS_ZERO: 1, tags.BLACK_IS_ZERO: 1, tags.RGB: 3, tags.PALETTE: 1, tags.CMYK: 4}
_FLOATING = 3
# A table of all colours has to stay small.
_MOST_PALETTE_BITS = 16


def read_tiff_header(data: bytes, name: str) -> ImageHeader:
    """Read the first page's size and the number of pages like it."""
    pages = read_tiff_pages(data, name)
    height, width = pages[0].size
    return ImageHeader(height, width, pages=len(pages))


def decode_tiff(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode the first page, upright; raises FormatError."""
    return decode_tiff_page(read_tiff_pages(data, name)[0], name)


def decode_tiff_page(page: TiffPage, name: str) -> StoredImage:
    """Decode one page, upright; raises FormatError."""
    try:
        photometric = page.value(tags.PHOTOMETRIC, tags.BLACK_IS_ZERO)
        compression, orientation = page.value(tags.COMPRESSION, NONE), page.value(tags.ORIENTATION, 1)
        if photometric not in _COLOURS or compression in _PILLOW_COMPRESSIONS:
            return _decode_as_8_bits(page, orientation, name)
        layout = read_layout(page, _COLOURS[photometric], name)
        if photometric == tags.PALETTE and (layout.bits > _MOST_PALETTE_BITS or layout.dtype.kind != "u"):
            raise FormatError(
                f"{name}: expected a palette of at most {_MOST_PALETTE_BITS} bits, found {layout.bits} of kind "
                f"{layout.dtype.kind!r}"
            )
        planes = _read_planes(page, layout, compression, name)
        return _to_colours(page, layout, photometric, planes).turned(orientation)
    except struct.error:
        raise FormatError(f"{name}: TIFF file is cut short or damaged ({len(page.data)} bytes)") from None


def _decode_as_8_bits(page: TiffPage, orientation: int, name: str) -> StoredImage:
    if max(page.bits) > 8:
        raise FormatError(
            f"{name}: expected grey, RGB, palette or CMYK in more than 8 bits, found colours of kind "
            f"{page.value(tags.PHOTOMETRIC, 1)} compressed by method {page.value(tags.COMPRESSION, NONE)}"
        )
    height, width = page.size
    # Pillow turns a TIFF by itself.
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    return decode_with_pillow(page.data, ImageHeader(*size), name, page.number)


def _read_planes(page: TiffPage, layout: Layout, compression: int, name: str) -> tuple[Plane, ...]:
    simple = layout.whole_bytes and layout.dtype.itemsize <= 4 and page.value(tags.PREDICTOR, 1) != _FLOATING
    simple = simple and page.value(tags.FILL_ORDER, 1) == 1 and compression in _TIFFFILE_COMPRESSIONS
    # A file so large that it is mapped, not read, must not be copied into memory for a library.
    simple = simple and isinstance(page.data, bytes)
    if compression in SEGMENT_COMPRESSIONS and not simple:
        return read_segments(page, layout, name)
    layout.check(name, 2)
    pixels = read_tiff_page(page.data, page.number, name)
    size = layout.height, layout.width
    if pixels.shape == size:
        pixels = pixels[..., None]
    elif pixels.shape == (layout.samples, *size) and layout.planar:
        pixels = np.moveaxis(pixels, 0, 2)
    # tifffile leaves out tags that it finds damaged, and may see another image than we do.
    if pixels.shape != (*size, layout.samples) or pixels.dtype.newbyteorder("=") != layout.dtype.newbyteorder("="):
        raise FormatError(f"{name}: TIFF file is damaged: its pixels cannot be decoded")
    return tuple(pixels[..., channel] for channel in range(layout.kept))


def _to_colours(page: TiffPage, layout: Layout, photometric: int, planes: tuple[Plane, ...]) -> StoredImage:
    if photometric == tags.PALETTE:
        return from_planes(_look_up_colours(page, planes[0]), (0, 255))
    kind = layout.dtype.kind
    full = None if kind == "f" else (0, 2**layout.bits - 1)
    if kind == "i":
        full = -(2 ** (layout.bits - 1)), 2 ** (layout.bits - 1) - 1
    if photometric == tags.WHITE_IS_ZERO:
        planes = tuple(_inverted(plane, full) for plane in planes)
    elif photometric == tags.CMYK:
        planes = tuple(_without_ink(ink, planes[3], full) for ink in planes[:3])
    if full is not None and layout.bits < 8 and kind == "u":
        table = (np.arange(256).clip(0, full[1]) * 255 // int(full[1])).astype(np.uint8)
        planes, full = tuple(look_up(table, plane) for plane in planes), (0, 255)
    return from_planes(planes, full)


def _look_up_colours(page: TiffPage, indices: Plane) -> tuple[Plane, ...]:
    colours = page.values(tags.COLORMAP)
    entries = len(colours) // 3
    table = np.zeros((3, 2 ** (8 * indices.dtype.itemsize)), np.uint32)
    kept = min(entries, table.shape[1])
    table[:, :kept] = np.reshape(colours[: 3 * entries], (3, entries))[:, :kept]
    # 16 bits by the specification; some writers put 8 there.
    eight = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
    return tuple(look_up(channel, indices) for channel in eight)


def _inverted(plane: Plane, full: tuple[float, float] | None) -> Plane:
    if full is None:
        return np.negative(plane)
    return np.subtract(plane.dtype.type(sum(full)), plane)


def _without_ink(ink: Plane, black: Plane, full: tuple[float, float] | None) -> NDArray[np.generic]:
    # Ink over ink: what the colour lets through, times what black lets through.
    light = np.empty(ink.shape, ink.dtype.newbyteorder("="))
    most = 1.0 if full is None else full[1]
    for rows in strips(*ink.shape):
        passed = (most - ink[rows].astype(np.float64)) * (most - black[rows].astype(np.float64)) / most
        light[rows] = passed if full is None else np.rint(passed)
    return light
