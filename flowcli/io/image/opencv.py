"""PNG, JPEG with up to three components, still WebP and most BMP through OpenCV, which reads these right, and fastest.

imageio's default plugin for PNG gives 16-bit RGB as 8-bit without a word; that is why PNG is not read through it.
"""

from __future__ import annotations

import cv2
import numpy as np
from cv2.typing import MatLike

from flowcli.errors import FormatError
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.stored import StoredImage, from_frame

# OpenCV 5 moved these two to a module of their own.
_get_log_level = getattr(cv2, "getLogLevel", None) or cv2.utils.logging.getLogLevel
_set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
_SILENT = 0
# With ANYDEPTH 16 bits stay 16. Not every version sees the orientation in every format; it is ours to apply.
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION


def decode_with_opencv(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode 8 or 16 bits per channel; transparency is dropped, a palette looked up; raises FormatError."""
    pixels = _decode(data)
    if pixels is None or pixels.shape != (header.height, header.width, 3):
        raise FormatError(
            f"{name}: {header.kind} file is damaged or of a kind that cannot be decoded "
            f"({header.width}x{header.height})"
        )
    if pixels.dtype == np.uint8:
        return from_frame(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8))
    if pixels.dtype != np.uint16:
        raise FormatError(f"{name}: expected 8 or 16 bits per channel, found {pixels.dtype}")
    channels = (2, 1, 0) if header.channels > 2 else (0,)
    return StoredImage(tuple(pixels[..., channel] for channel in channels), (0, 65535))


def _decode(data: bytes) -> MatLike | None:
    # OpenCV reports a damaged file on stderr in its own words; ours is the one line that the user gets.
    level = _get_log_level()
    _set_log_level(_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        return None
    finally:
        _set_log_level(level)
