"""Still images to and from frames.

Whatever is stored, a frame comes out: grey is repeated in all channels, a palette is looked up, CMYK becomes RGB,
transparency is dropped (the stored colours are used as they are), and an EXIF orientation is applied, so that the frame
is upright as viewers show it. More than 8 bits become 8 by a range of values, see `range`: a sequence has one for all
of its frames. Of several pages or animation frames the first is taken; `sources` makes a sequence of them.
The bytes are read by Python, so any path that the system accepts works.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from flowcli.errors import InputError
from flowcli.flow import Frame, check_frame
from flowcli.io.atomic import write_bytes
from flowcli.io.image.kinds import IMAGE_KINDS, IMAGE_SUFFIXES, decode_pages, decode_stored, read_header
from flowcli.io.image.range import RangeChoice, ValueRange, choose_range, describe_range, parse_range, to_frame
from flowcli.io.image.stored import StoredImage
from flowcli.io.limits import read_bytes
from flowcli.io.pictures import PICTURE_FORMATS
from flowcli.io.png_mark import mark_png

__all__ = [
    "IMAGE_KINDS",
    "IMAGE_SUFFIXES",
    "PICTURE_SUFFIXES",
    "RangeChoice",
    "StoredImage",
    "ValueRange",
    "check_picture_suffix",
    "choose_range",
    "decode_image",
    "decode_pages",
    "describe_range",
    "encode_image",
    "parse_range",
    "read_header",
    "read_image",
    "read_images",
    "read_stored",
    "to_frame",
    "write_image",
    "write_result",
]

PICTURE_SUFFIXES = tuple(PICTURE_FORMATS)

# What OpenCV calls the quality of a format; JPEG's for all others.
_QUALITY = {".webp": cv2.IMWRITE_WEBP_QUALITY}


def read_image(path: str | Path) -> Frame:
    """Read an image file of any of IMAGE_KINDS as a frame: uint8 `(H, W, 3)` RGB.

    Of more than 8 bits the upper 8 are kept, as the format counts them; of floats the range that this file takes. Two
    frames of one scene from a camera with fewer bits than its files: `read_images`.

    Raises:
        InputError: the file is missing, a folder or unreadable.
        FormatError: its bytes are not such an image, are cut short or damaged, or it has more than 2^26 pixels.
    """
    return decode_image(read_bytes(path), str(path))


def read_images(paths: Sequence[str | Path], choice: RangeChoice = "auto") -> list[Frame]:
    """Read image files that belong together as frames, with one range of values for all of them.

    Args:
        paths: of images.
        choice: a ValueRange in stored values, "full" for what the format calls black and white, or "auto" for what
            values occur in these files; images of up to 8 bits are left as they are by both words.

    Raises:
        InputError, FormatError: as `read_image`.
    """
    images = [read_stored(path) for path in paths]
    chosen = choose_range(images, choice)
    return [to_frame(image, chosen) for image in images]


def read_stored(path: str | Path) -> StoredImage:
    """Read an image file in its own depth; raises as `read_image`."""
    return decode_stored(read_bytes(path), str(path))


def decode_image(data: bytes, name: str) -> Frame:
    """Decode the bytes of an image file; `name` is the file for messages. Raises FormatError as `read_image`."""
    image = decode_stored(data, name)
    return to_frame(image, choose_range([image], "auto") if image.full is None else "full")


def check_picture_suffix(path: str | Path) -> None:
    """Raise InputError that lists the suffixes unless `write_image` knows that of `path`."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURE_FORMATS:
        found = f"'{suffix}'" if suffix else "no suffix"
        raise InputError(f"{path}: expected a picture ending in {' '.join(PICTURE_FORMATS)}, found {found}")


def encode_image(frame: Frame, suffix: str) -> bytes:
    """Return `frame`, uint8 `(H, W, 3)` RGB, as the bytes of a file with the given suffix (of PICTURE_SUFFIXES)."""
    check_frame(frame)
    quality = PICTURE_FORMATS[suffix].quality
    options = [] if quality is None else [_QUALITY.get(suffix, cv2.IMWRITE_JPEG_QUALITY), quality]
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
    return encoded.tobytes()


def write_image(path: str | Path, frame: Frame) -> None:
    """Write `frame`, uint8 `(H, W, 3)` RGB, as .png .jpg .webp .bmp or .tiff by the suffix of `path`, atomically.

    Raises:
        InputError: unknown suffix, or not a frame.
        OutputError: the file cannot be written.
    """
    check_picture_suffix(path)
    write_bytes(path, encode_image(frame, Path(path).suffix.lower()))


def write_result(path: str | Path, picture: Frame) -> None:
    """Write a picture of results as `write_image` does, a PNG with the mark that keeps it from being taken for a frame.

    Raises:
        InputError, OutputError: as `write_image`.
    """
    check_picture_suffix(path)
    suffix = Path(path).suffix.lower()
    data = encode_image(picture, suffix)
    write_bytes(path, mark_png(data) if suffix == ".png" else data)
