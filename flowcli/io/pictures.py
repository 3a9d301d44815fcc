"""PICTURE_FORMATS is the table of pictures that can be written; a new one is a row here that OpenCV knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PictureFormat:
    """One row of PICTURE_FORMATS.

    Attributes:
        quality: 0 to 100 where the encoder loses something, None where it keeps every pixel.
    """

    quality: int | None = None


# Quality 95 keeps colour edges of flow pictures clean.
PICTURE_FORMATS: dict[str, PictureFormat] = {
    ".png": PictureFormat(),
    ".jpg": PictureFormat(quality=95),
    ".jpeg": PictureFormat(quality=95),
    ".webp": PictureFormat(quality=95),
    ".bmp": PictureFormat(),
    ".tif": PictureFormat(),
    ".tiff": PictureFormat(),
}
