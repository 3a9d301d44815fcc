"""Images through imageio, with the plugin named: TGA, GIF, animations, CMYK, and TIFF.

Its Pillow plugin is asked for 8-bit RGB only, because it gives less than 16 bits of a 16-bit picture without saying so.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.stored import StoredImage, from_frame
from flowcli.io.limits import check_decoding

if TYPE_CHECKING:
    from imageio.core.v3_plugin_api import PluginV3

# Pillow holds 4 bytes per pixel, once more where it converts, and twice 3 while NumPy takes over.
_PILLOW_BYTES = 14
# An animation adds the canvas of the frame before and the frame itself.
_ANIMATION_BYTES = 24


def decode_with_pillow(data: bytes, header: ImageHeader, name: str, index: int = 0) -> StoredImage:
    """Decode a frame or page with imageio's Pillow plugin as 8-bit RGB; transparency is dropped."""
    check_decoding(name, header.height * header.width * _PILLOW_BYTES, header.height * header.width * 7)
    with open_plugin(data, "pillow", name) as file:
        return from_frame(_check_size(file.read(index=index, mode="RGB", writeable_output=False), header, name))


def decode_animation(data: bytes, header: ImageHeader, name: str, numbers: Iterator[int]) -> Iterator[StoredImage]:
    """Yield the frames of an animated WebP or PNG with these ascending numbers, as they are shown."""
    check_decoding(name, header.height * header.width * _ANIMATION_BYTES, header.height * header.width * 11)
    with open_plugin(data, "pillow", name) as file:
        for number in numbers:
            pixels = file.read(index=header.first + number, mode="RGB", writeable_output=False)
            yield from_frame(_check_size(pixels, header, name))


def read_tiff_page(data: bytes, page: int, name: str) -> NDArray[np.generic]:
    """Return a page as imageio's tifffile plugin gives it: the samples as stored, `(H, W)`, `(H, W, C)` or `(C, H, W)`.

    Some compressions need imagecodecs, which is not among flowcli's own dependencies; the error says so.
    """
    # What tifffile notes about odd tags would stand on stderr beside our own line.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with open_plugin(data, "tifffile", name) as file:
        return np.asarray(file.read(index=..., page=page))


@contextmanager
def open_plugin(data: bytes, plugin: Literal["pillow", "tifffile"], name: str) -> Iterator[Any]:
    """Open the bytes with one of imageio's plugins; what it raises for a damaged file becomes a FormatError."""
    from imageio.v3 import imopen

    file: PluginV3 | None = None
    try:
        file = imopen(io.BytesIO(data), "r", plugin=plugin)
        yield file
    except FormatError:
        raise
    except Exception as error:  # Hostile bytes reach every corner of two libraries, and with them most exceptions.
        text = " ".join(str(error).split())
        if "imagecodecs" in text:
            text = "its compression needs imagecodecs; run: pip install 'flowcli[tiff]'"
        raise FormatError(f"{name}: cannot be decoded: {text or type(error).__name__:.200}") from error
    finally:
        if file is not None:
            file.close()


def _check_size(pixels: NDArray[np.generic], header: ImageHeader, name: str) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or pixels.shape != (header.height, header.width, 3):
        raise FormatError(f"{name}: {header.kind} file is damaged or of a kind that cannot be decoded")
    return np.asarray(pixels, np.uint8)
