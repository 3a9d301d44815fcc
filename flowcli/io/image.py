"""Still images to and from frames.

Whatever is stored, a frame comes out: grey is repeated in all channels, 16 bits keep their upper 8, a palette is looked
up, CMYK becomes RGB, transparency is dropped (the stored colours are used as they are), and an EXIF orientation is
applied, so that the frame is upright as viewers show it (OpenCV up to 4.12 does not see that of a WebP file). Of
several pages or animation frames the first is taken.
The bytes are read by Python, so any path that the system accepts works.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from flowcli.errors import FormatError, InputError
from flowcli.flow import Frame, check_frame
from flowcli.io.atomic import write_bytes
from flowcli.io.headers import PNM, read_header
from flowcli.io.limits import check_size, read_bytes

# File names with these suffixes are taken for images when a folder is listed; reading goes by content alone.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm", ".bmp", ".tif", ".tiff", ".webp")

# Suffix -> OpenCV's encoder options. Quality 95 keeps colour edges of flow pictures clean.
_WRITERS: dict[str, list[int]] = {
    ".png": [],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
    ".bmp": [],
    ".tif": [],
    ".tiff": [],
}
# OpenCV 5 moved these two to a module of their own.
_get_log_level = getattr(cv2, "getLogLevel", None) or cv2.utils.logging.getLogLevel
_set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
_SILENT = 0

PICTURE_SUFFIXES = tuple(_WRITERS)


def read_image(path: str | Path) -> Frame:
    """Read a PNG, JPEG, PPM/PGM, BMP, TIFF or WebP file as a frame: uint8 `(H, W, 3)` RGB.

    Raises:
        InputError: the file is missing, a folder or unreadable.
        FormatError: its bytes are not such an image, are cut short or damaged, or it has more than 2^26 pixels.
    """
    return decode_image(read_bytes(path), str(path))


def decode_image(data: bytes, name: str) -> Frame:
    """Decode the bytes of an image file; `name` is the file for messages. Raises FormatError as `read_image`."""
    kind, height, width = read_header(data, name)
    check_size(name, height, width)
    if kind == "PNM" and data[:2] in (b"P5", b"P6"):
        return _decode_binary_pnm(data, height, width)
    if kind == "PNM":
        data += b"\n"  # OpenCV drops the last number of a plain file unless something follows it
    # With ANYDEPTH 16 bits stay 16: OpenCV rounds them differently from one format to the next.
    frame = _decode_with_opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if frame is not None and frame.dtype == np.uint16:
        frame = np.right_shift(frame, 8).astype(np.uint8)
    if frame is None or frame.dtype != np.uint8 or frame.shape not in ((height, width, 3), (width, height, 3)):
        raise FormatError(f"{name}: {kind} file is damaged or of a kind that cannot be decoded ({width}x{height})")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frame), np.uint8)


def _decode_with_opencv(data: bytes, flags: int) -> MatLike | None:
    # OpenCV reports a damaged file on stderr in its own words; ours is the one line that the user gets.
    level = _get_log_level()
    _set_log_level(_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    finally:
        _set_log_level(level)


def _decode_binary_pnm(data: bytes, height: int, width: int) -> Frame:
    # OpenCV ignores the maximum of binary files, so that a 10-bit or 4-bit file would come out nearly black.
    match = PNM.match(data)
    assert match is not None
    maximum, channels = int(match[4]), 3 if match[1] == b"6" else 1
    dtype = np.dtype(">u2" if maximum > 255 else "u1")
    samples = np.frombuffer(data, dtype, height * width * channels, offset=match.end() + 1)
    if maximum == 65535:
        samples = samples >> 8
    elif maximum != 255:
        samples = (np.minimum(samples, maximum).astype(np.uint32) * 255 + maximum // 2) // maximum
    pixels = samples.astype(np.uint8).reshape(height, width, channels)
    return np.repeat(pixels, 3, axis=2) if channels == 1 else pixels


def check_picture_suffix(path: str | Path) -> None:
    """Raise InputError that lists the suffixes unless `write_image` knows that of `path`."""
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        found = f"'{suffix}'" if suffix else "no suffix"
        raise InputError(f"{path}: expected a picture ending in {' '.join(_WRITERS)}, found {found}")


def encode_image(frame: Frame, suffix: str) -> bytes:
    """Return `frame`, uint8 `(H, W, 3)` RGB, as the bytes of a file with the given suffix (of PICTURE_SUFFIXES)."""
    check_frame(frame)
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), _WRITERS[suffix])
    return encoded.tobytes()


def write_image(path: str | Path, frame: Frame) -> None:
    """Write `frame`, uint8 `(H, W, 3)` RGB, as .png .jpg .webp .bmp or .tiff by the suffix of `path`, atomically.

    Raises:
        InputError: unknown suffix, or not a frame.
        OutputError: the file cannot be written.
    """
    check_picture_suffix(path)
    write_bytes(path, encode_image(frame, Path(path).suffix.lower()))
