"""TIFF files of any layout, written straight from the specification; libtiff inside Pillow compresses."""

import io
import lzma
import struct
import zlib

import numpy as np
from PIL import Image

COMPRESSIONS = {
    "none": 1,
    "lzw": 5,
    "deflate": 8,
    "old-deflate": 32946,
    "packbits": 32773,
    "zstd": 50000,
    "lzma": 34925,
}
_PILLOW_NAMES = {"lzw": "tiff_lzw", "packbits": "packbits", "zstd": "zstd"}


def compress(content: bytes, method: str, rows: int) -> bytes:
    if method == "none":
        return content
    if method in ("deflate", "old-deflate"):
        return zlib.compress(content)
    if method == "lzma":
        return lzma.compress(content, lzma.FORMAT_XZ)
    # As an 8-bit grey picture in one strip.
    buffer = io.BytesIO()
    grey = Image.frombytes("L", (len(content) // rows, rows), content)
    grey.save(buffer, "TIFF", compression=_PILLOW_NAMES[method], tiffinfo={278: rows})
    written = Image.open(io.BytesIO(buffer.getvalue())).tag_v2
    assert len(written[273]) == 1
    return buffer.getvalue()[written[273][0] :][: written[279][0]]


def pack(samples: np.ndarray, bits: int, order: str) -> bytes:
    """Samples (rows, count) as lines that begin at whole bytes."""
    if bits in (8, 16, 32, 64):
        return samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    single = samples[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(single.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def predict(block: np.ndarray, predictor: int) -> np.ndarray:
    """(rows, width, components) -> what the predictor leaves of it."""
    if predictor == 2:
        whole = block.view(f"u{block.itemsize}").copy()
        whole[:, 1:] -= block.view(f"u{block.itemsize}")[:, :-1]
        return whole
    rows, _, components = block.shape
    weights = block.astype(block.dtype.newbyteorder(">")).view(np.uint8).reshape(rows, -1, block.itemsize)
    line = np.moveaxis(weights, 2, 1).reshape(rows, -1)
    line = np.hstack([line[:, :components], (line[:, components:] - line[:, :-components]).astype(np.uint8)])
    return line.reshape(rows, -1, 1)


def make_tiff(
    pixels,
    bits=None,
    *,
    photometric=None,
    planar=False,
    tile=None,
    strip_rows=7,
    compression="none",
    predictor=1,
    order="<",
    big=False,
    extra=None,
    tags=(),
    more_pages=(),
):
    """Return a file with a page for `pixels`, (H, W) or (H, W, C), and one for each of `more_pages` of the same kind.

    `extra`: what the last component means (0 unknown, 1 premultiplied, 2 transparency). `tags`: (tag, type, values).
    """
    pointer, number = ("Q", "Q") if big else ("I", "H")
    body = struct.pack(order + "2sHHHQ", b"II" if order == "<" else b"MM", 43, 8, 0, 0)
    if not big:
        body = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0)
    link = len(body) - struct.calcsize(pointer)
    for page in [pixels, *more_pages]:
        page = np.atleast_3d(page)
        height, width, components = page.shape
        depth = bits or 8 * page.itemsize
        planes = [page[..., k : k + 1] for k in range(components)] if planar else [page]
        tall, wide = tile or (strip_rows, width)
        offsets, counts = [], []
        for plane in planes:
            for top in range(0, height, tall):
                for left in range(0, width, wide):
                    block = plane[top : top + tall, left : left + wide]
                    if tile:
                        block = np.pad(block, [(0, tall - block.shape[0]), (0, wide - block.shape[1]), (0, 0)], "edge")
                    rows, shown = len(block), block
                    if predictor != 1:
                        shown = predict(np.ascontiguousarray(block), predictor)
                    shown_order = ">" if predictor == 3 else order
                    content = pack(shown.reshape(rows, -1), depth if predictor != 3 else 8, shown_order)
                    stored = compress(content, compression, rows)
                    body += bytes(len(body) % 2)
                    offsets.append(len(body))
                    counts.append(len(stored))
                    body += stored
        kind = {"u": 1, "i": 2, "f": 3}[page.dtype.kind]
        colour = photometric if photometric is not None else (2 if components >= 3 else 1)
        entries = [
            (256, 4, [width]),
            (257, 4, [height]),
            (258, 3, [depth] * components),
            (259, 3, [COMPRESSIONS[compression]]),
            (262, 3, [colour]),
            (277, 3, [components]),
            (284, 3, [2 if planar else 1]),
            (317, 3, [predictor]),
            (339, 3, [kind] * components),
        ]
        if tile:
            entries += [(322, 4, [wide]), (323, 4, [tall]), (324, 4, offsets), (325, 4, counts)]
        else:
            entries += [(273, 4, offsets), (278, 4, [tall]), (279, 4, counts)]
        entries += [(338, 3, [extra])] if extra is not None else []
        inline = struct.calcsize(pointer)
        directory = b""
        for tag, form, values in sorted([*entries, *tags]):
            packed = struct.pack(f"{order}{len(values)}{ {3: 'H', 4: 'I'}[form] }", *values)
            if len(packed) > inline:
                body += bytes(len(body) % 2)
                place, body = len(body), body + packed
                packed = struct.pack(order + pointer, place)
            directory += struct.pack(order + "HH" + pointer, tag, form, len(values)) + packed.ljust(inline, b"\0")
        body += bytes(len(body) % 2)
        place = len(body)
        body = body[:link] + struct.pack(order + pointer, place) + body[link + inline :]
        body += struct.pack(order + number, len(entries) + len(tags)) + directory
        link = len(body)
        body += struct.pack(order + pointer, 0)
    return body
