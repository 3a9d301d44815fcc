"""The one table of images that can be read: how each is recognised, and what reads its header and its pixels."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from flowcli.errors import FormatError
from flowcli.io.image import film, headers, heif
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.opencv import decode_with_opencv
from flowcli.io.image.plain import decode_bmp, decode_pnm
from flowcli.io.image.plugins import decode_animation, decode_with_pillow
from flowcli.io.image.stored import StoredImage
from flowcli.io.image.tiff import decode_tiff, decode_tiff_page, read_tiff_header
from flowcli.io.image.tiff_header import read_tiff_pages
from flowcli.io.limits import check_size
from flowcli.io.png import SIGNATURE


def _decode_animation(data: bytes, header: ImageHeader, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    for image in decode_animation(data, header, name, iter(numbers)):
        yield image.turned(header.orientation)


def _decode_first_frame(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    return next(decode_animation(data, header, name, iter((0,))))


def _decode_tiff_pages(data: bytes, header: ImageHeader, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    pages = read_tiff_pages(data, name)
    return (decode_tiff_page(pages[number], name) for number in numbers)


def _decode_avif_pages(data: bytes, header: ImageHeader, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    for image in heif.decode_avif_pages(data, header, name, numbers):
        yield image.turned(header.orientation)


@dataclass(frozen=True)
class ImageKind:
    """One row of the table.

    Attributes:
        name: for messages.
        suffixes: of files that are taken for frames when a folder is listed; reading goes by content alone.
        signature: matches the first bytes.
        read_header: (bytes, file name for messages) -> ImageHeader; raises FormatError or struct.error.
        decode: (bytes, header, file name) -> StoredImage, the first page as stored; raises as `read_header`.
        pages: (bytes, header, file name, ascending numbers) -> StoredImages; only of kinds that can hold several.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    read_header: Callable[[bytes, str], ImageHeader]
    decode: Callable[[bytes, ImageHeader, str], StoredImage]
    pages: Callable[[bytes, ImageHeader, str, Iterable[int]], Iterator[StoredImage]] = _decode_animation


def _decode_png(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    if header.first and header.durations:
        # The picture for viewers without animation comes first, and is no frame.
        return _decode_first_frame(data, header, name)
    return decode_with_opencv(data, header, name)


def _decode_jpeg(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    if header.depth != 8:
        raise FormatError(f"{name}: expected a JPEG of 8 bits per channel, found {header.depth}")
    # OpenCV takes four channels for inverted CMYK, which only Adobe's are.
    decode = decode_with_pillow if header.channels == 4 else decode_with_opencv
    return decode(headers.tidy_jpeg(data), header, name)


def _decode_webp(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    if header.durations:
        return _decode_first_frame(data, header, name)
    return decode_with_opencv(data, header, name)


_ROWS = (
    ImageKind("PNG", (".png", ".apng"), re.compile(re.escape(SIGNATURE)), headers.read_png_header, _decode_png),
    ImageKind("JPEG", (".jpg", ".jpeg", ".jpe"), re.compile(rb"\xff\xd8"), headers.read_jpeg_header, _decode_jpeg),
    ImageKind("PNM", (".ppm", ".pgm", ".pnm"), re.compile(rb"P[2356][\s#]"), headers.read_pnm_header, decode_pnm),
    ImageKind("BMP", (".bmp",), re.compile(rb"BM.{4}\0{4}", re.DOTALL), headers.read_bmp_header, decode_bmp),
    ImageKind(
        "TIFF",
        (".tif", ".tiff"),
        re.compile(rb"II\*\0|MM\0\*|II\+\0\x08\0|MM\0\+\0\x08"),
        read_tiff_header,
        decode_tiff,
        _decode_tiff_pages,
    ),
    ImageKind("WebP", (".webp",), re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL), headers.read_webp_header, _decode_webp),
    ImageKind("GIF", (), re.compile(rb"GIF8[79]a"), headers.read_gif_header, decode_with_pillow),
    ImageKind(
        "JPEG 2000",
        (".jp2", ".j2k", ".jpc", ".j2c"),
        re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
        film.read_jpeg2000_header,
        film.decode_jpeg2000,
    ),
    ImageKind("EXR", (".exr",), re.compile(rb"\x76\x2f\x31\x01"), film.read_exr_image_header, film.decode_exr_image),
    ImageKind("DPX", (".dpx",), re.compile(rb"SDPX|XPDS"), film.read_dpx_header, film.decode_dpx),
    # A brand may say no more than that it is an image in this container; those that it is compatible with follow.
    ImageKind(
        "AVIF",
        (".avif",),
        re.compile(rb".{4}ftyp(?:avi[fs]|mi[fa]1.{4}(?:.{4}){0,8}?avi[fs])", re.DOTALL),
        heif.read_avif_header,
        heif.decode_avif,
        _decode_avif_pages,
    ),
    ImageKind(
        "HEIF",
        (".heic", ".heif", ".hif"),
        re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cx]|m[is]f1|miaf)", re.DOTALL),
        heif.read_heif_header,
        heif.decode_heif,
        heif.decode_heif_pages,
    ),
    # Has no signature, so it comes last: a plausible image type, and bits per pixel.
    ImageKind(
        "TGA",
        (".tga",),
        re.compile(rb".(?:\x01[\x01\x09]|\0[\x02\x03\x0a\x0b]).{13}[\x08\x0f\x10\x18\x20]", re.DOTALL),
        headers.read_tga_header,
        decode_with_pillow,
    ),
)

IMAGE_KINDS: dict[str, ImageKind] = {row.name: row for row in _ROWS}

# GIF has none of its own: a file of that name is a video unless it is one of two that are named.
IMAGE_SUFFIXES = tuple(suffix for row in _ROWS for suffix in row.suffixes)


def read_header(data: bytes, name: str) -> tuple[ImageKind, ImageHeader]:
    """Return the row and the header of an encoded image.

    Raises:
        FormatError: the bytes are of no known kind, visibly cut short, or promise more than 2^26 pixels.
    """
    if not data:
        raise FormatError(f"{name}: expected an image, found an empty file")
    for kind in _ROWS:
        if kind.signature.match(data):
            try:
                header = replace(kind.read_header(data, name), kind=kind.name)
            except struct.error:
                raise headers.cut_short(name, kind.name, data) from None
            check_size(name, header.height, header.width)
            return kind, header
    raise FormatError(f"{name}: expected an image ({', '.join(IMAGE_KINDS)}), found data starting {data[:8]!r}")


def decode_stored(data: bytes, name: str) -> StoredImage:
    """Decode the first image in the bytes of a file, in its own depth and upright; raises FormatError."""
    kind, header = read_header(data, name)
    try:
        image = kind.decode(data, header, name)
    except struct.error:
        raise headers.cut_short(name, kind.name, data) from None
    image = image.turned(header.orientation)
    return image if header.pages == 1 else StoredImage(image.planes, image.full, image.frame, header.pages)


def decode_pages(data: bytes, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    """Yield the images with these ascending numbers of a file that holds several, in their own depth and upright.

    Args:
        data: a TIFF of several pages, a HEIF of several images, or an animated WebP, PNG or AVIF.
        name: the file, for messages.
        numbers: below the header's `pages`.

    Raises:
        FormatError: at the image that cannot be decoded.
    """
    kind, header = read_header(data, name)
    yield from kind.pages(data, header, name, numbers)
