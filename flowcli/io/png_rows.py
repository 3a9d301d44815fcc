"""16-bit RGB rows of a PNG, a few at a time, where the whole picture would take too much memory beside its result.

OpenCV decodes whole files only. A row may be stored as its difference from the row above (specification, section 9), so
the compressed rows are cut into small PNG files of their own, each beginning with the last row of the one before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.io.limits import check_decoding
from flowcli.io.png import SIGNATURE, PngHeader

_STRIP_BYTES = 2**23
_BYTES_PER_PIXEL = 6


def read_rgb16_rows(data: bytes, header: PngHeader, name: str) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Yield (number of the first row, uint16 `(rows, W, 3)` RGB) from the top of a 16-bit RGB PNG to its end.

    Raises:
        FormatError: the pixels are damaged or incomplete, or an interlaced file needs too much memory.
    """
    if header.interlaced:
        size = header.height * header.width
        check_decoding(name, size * _BYTES_PER_PIXEL, 0)
        yield 0, _decode(data, (header.height, header.width, 3), name)
        return
    line_bytes = 1 + header.width * _BYTES_PER_PIXEL
    step = max(1, _STRIP_BYTES // line_bytes)
    stream, above = _Inflated(data, name), b""
    for first in range(0, header.height, step):
        rows = min(step, header.height - first)
        lines = above + stream.read(rows * line_bytes)
        height = len(lines) // line_bytes
        strip = _decode(_make_png(header.width, height, lines), (height, header.width, 3), name)
        yield first, strip[-rows:]
        above = b"\0" + strip[-1].astype(">u2").tobytes()  # filter 0: as it is


def _decode(data: bytes, shape: tuple[int, int, int], name: str) -> NDArray[np.uint16]:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.dtype != np.uint16 or bgr.shape != shape:
        raise FormatError(f"{name}: PNG file is damaged: its pixels cannot be decoded")
    return np.asarray(bgr[..., ::-1], np.uint16)


def _make_png(width: int, height: int, lines: bytes) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines, 0))]
    parts = [SIGNATURE]
    for kind, content in [*chunks, (b"IEND", b"")]:
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(kind + content))]
    return b"".join(parts)


class _Inflated:
    """The decompressed bytes of all IDAT chunks, as a stream."""

    def __init__(self, data: bytes, name: str) -> None:
        self._chunks = _pixel_chunks(data)
        self._inflate, self._name = zlib.decompressobj(), name
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes; raises FormatError if there are fewer."""
        parts: list[bytes] = []
        while count > 0:
            try:
                part = self._inflate.decompress(self._waiting, count)
            except zlib.error as error:
                raise FormatError(f"{self._name}: PNG file is damaged: {error}") from None
            self._waiting = self._inflate.unconsumed_tail
            parts.append(part)
            count -= len(part)
            if not part and not self._waiting:
                chunk = next(self._chunks, None)
                if chunk is None or self._inflate.eof:
                    raise FormatError(f"{self._name}: PNG file is damaged: its pixels are incomplete")
                self._waiting = chunk
        return b"".join(parts)


def _pixel_chunks(data: bytes) -> Iterator[bytes]:
    position = len(SIGNATURE)
    while True:
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        if kind == b"IEND":
            return
        if kind == b"IDAT":
            yield data[position + 8 : position + 8 + length]
        position += 12 + length
