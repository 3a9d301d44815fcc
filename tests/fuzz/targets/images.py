"""Images: one target per kind of file, because the words and the checksums of each are its own."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcli.flow import Frame
from flowcli.io.image import read_image
from flowcli.io.limits import MAX_PIXELS
from fuzz import checksums, containers, structures
from fuzz.target import Reshape, Seed, Target
from fuzz.targets.flows import make_png

HEIGHT, WIDTH = 12, 16
_LARGEST = MAX_PIXELS * 6
"""Bytes of the largest frame, stored in 16 bits."""


def make_frame() -> Frame:
    """Uint8 `(12, 16, 3)`: smooth, so that it survives lossy encoding."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack((x * 12 + 20, y * 16 + 10, x * 6 + y * 6), axis=-1).astype(np.uint8)


def _grey() -> Frame:
    grey = make_frame()[..., 1]
    return np.repeat(grey[..., None], 3, axis=2)


def _save(kind: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rgb() -> Image.Image:
    return Image.fromarray(make_frame())


def _with(image: Image.Image, mode: str) -> Image.Image:
    return image.convert(mode)


def _orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def _png_seeds() -> list[Seed]:
    frame, rgb = make_frame(), _rgb()
    wide = np.ascontiguousarray(frame.astype(">u2") * 257)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in wide))
    deep = [(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    large = Image.new("RGB", (8192, 8192))
    return [
        Seed("RGB", _save("PNG", rgb), frame),
        Seed("grey", _save("PNG", Image.fromarray(frame[..., 1])), _grey()),
        Seed("palette", _save("PNG", rgb.quantize(256)), frame, tolerance=40),
        Seed("two colours", _save("PNG", _with(rgb, "1"))),
        Seed("alpha", _save("PNG", _with(rgb, "RGBA")), frame),
        Seed("grey and alpha", _save("PNG", _with(rgb, "LA"))),
        Seed("16 bits", make_png(deep), frame),
        Seed("text, two data chunks", make_png([deep[0], (b"tEXt", b"a\0b"), (b"IDAT", rows[:9]), (b"IDAT", rows[9:]),
                                                 deep[2]]), frame),
        Seed("animation", _save("PNG", rgb, save_all=True, append_images=[rgb.rotate(180)])),
        Seed("8192x8192", _save("PNG", large, compress_level=1), readable=False, mutable=False),
    ]  # fmt: skip


def _jpeg_seeds() -> list[Seed]:
    frame, rgb = make_frame(), _rgb()
    plain = _save("JPEG", rgb, quality=95, subsampling=0)
    comment = plain[:2] + b"\xff\xfe\0\7hello" + plain[2:]
    exif = _save("JPEG", rgb, quality=95, subsampling=0, exif=_orientation(6))
    return [
        Seed("4:4:4", plain, frame, tolerance=12),
        Seed("comment", comment, frame, tolerance=12),
        Seed("4:2:0", _save("JPEG", rgb, quality=75), frame, tolerance=60),
        Seed("progressive", _save("JPEG", rgb, quality=95, subsampling=0, progressive=True), frame, tolerance=12),
        Seed(
            "restart markers", _save("JPEG", rgb, quality=95, subsampling=0, restart_marker_rows=1), frame, tolerance=12
        ),
        Seed("grey", _save("JPEG", _with(rgb, "L"), quality=95)),
        Seed("CMYK", _save("JPEG", _with(rgb, "CMYK"), quality=95)),
        Seed("turned", exif, np.ascontiguousarray(np.rot90(frame, -1)), tolerance=12),
    ]


def _tiff_seeds() -> list[Seed]:
    frame, rgb = make_frame(), _rgb()
    seeds = [
        Seed(kind, _save("TIFF", rgb, compression=kind), frame)
        for kind in ("raw", "packbits", "tiff_lzw", "tiff_deflate")
    ]
    seeds += [
        Seed("grey", _save("TIFF", Image.fromarray(frame[..., 1])), _grey()),
        Seed("JPEG inside", _save("TIFF", rgb, compression="jpeg"), readable=False),
        Seed("palette", _save("TIFF", rgb.quantize(64)), readable=False),
        Seed("two colours", _save("TIFF", _with(rgb, "1"), compression="group4"), readable=False),
        Seed("alpha", _save("TIFF", _with(rgb, "RGBA")), readable=False),
        Seed("several pages", _save("TIFF", rgb, save_all=True, append_images=[rgb]), frame),
    ]
    return [*seeds, *_odd_tiff_seeds(frame)]


def _odd_tiff_seeds(frame: Frame) -> list[Seed]:
    import tifffile

    def write(pixels: NDArray[np.generic], **options: object) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, metadata=None, software=False, **options)
        return buffer.getvalue()

    wide = frame.astype(np.uint16) * 257
    kinds = {
        "16 bits": write(wide, photometric="rgb"),
        "big-endian": write(wide, photometric="rgb", byteorder=">"),
        "planes": write(np.ascontiguousarray(wide.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate"),
        "tiles": write(frame, photometric="rgb", tile=(16, 16)),
        "BigTIFF": write(frame, photometric="rgb", bigtiff=True),
        "white is zero": write(frame[..., 0], photometric="miniswhite"),
        "float": write(frame.astype(np.float32) / 255, photometric="rgb"),
        "double": write(frame.astype(np.float64) / 255, photometric="rgb"),
        "predictor": write(frame, photometric="rgb", compression="zlib", predictor=True),
    }
    return [Seed(name, data, readable=False) for name, data in kinds.items()]


def _bmp_seeds() -> list[Seed]:
    frame, rgb = make_frame(), _rgb()
    plain = _save("BMP", rgb)
    rows = np.ascontiguousarray(frame[::-1, :, ::-1]).tobytes()
    core = b"BM" + struct.pack("<IHHI", 26 + len(rows), 0, 0, 26) + struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
    top_down = bytearray(plain)
    struct.pack_into("<i", top_down, 22, -HEIGHT)
    return [
        Seed("24 bits", plain, frame),
        Seed("12-byte header", core + rows, frame),
        Seed("from the top", bytes(top_down), np.ascontiguousarray(frame[::-1])),
        Seed("8 bits", _save("BMP", _with(rgb, "L"))),
        Seed("palette", _save("BMP", rgb.quantize(16))),
        Seed("1 bit", _save("BMP", _with(rgb, "1"))),
        Seed("32 bits", _save("BMP", _with(rgb, "RGBA")), readable=False),
        Seed("run lengths", _run_length_bmp(), readable=False),
    ]


def _run_length_bmp() -> bytes:
    palette = b"".join(bytes((k, k, k, 0)) for k in range(256))
    pixels = b"".join(bytes((WIDTH, 20 * row, 0, 0)) for row in range(HEIGHT)) + b"\0\1"
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + palette + pixels


def _webp_seeds() -> list[Seed]:
    frame, rgb = make_frame(), _rgb()
    turned = _save("WEBP", rgb, lossless=True, exif=_orientation(3))
    return [
        Seed("lossless", _save("WEBP", rgb, lossless=True), frame),
        Seed("lossy", _save("WEBP", rgb, quality=95), frame, tolerance=60),
        Seed("alpha", _save("WEBP", _with(rgb, "RGBA"), quality=90)),
        Seed("turned", turned, np.ascontiguousarray(frame[::-1, ::-1])),
        Seed("animation", _save("WEBP", rgb, save_all=True, append_images=[rgb.rotate(180)]), readable=False),
    ]


def _pnm_seeds() -> list[Seed]:
    frame = make_frame()
    plain = " ".join(map(str, frame.ravel())).encode()
    wide = (frame.astype(">u2") * 257).tobytes()
    grey = frame[..., 1].tobytes()
    bits = np.packbits(frame[..., 1] > 100, axis=1).tobytes()
    pam = b"P7\nWIDTH 16\nHEIGHT 12\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    return [
        Seed("P6", b"P6\n16 12\n255\n" + frame.tobytes(), frame),
        Seed("P6 with comments", b"P6 # a\n16\n# b\n12 255\n" + frame.tobytes(), frame),
        Seed("P6, 16 bits", b"P6\n16 12\n65535\n" + wide, frame),
        Seed("P3", b"P3\n16 12\n255\n" + plain, frame),
        Seed("P5", b"P5\n16 12\n255\n" + grey, _grey()),
        Seed("P2", b"P2\n16 12\n255\n" + " ".join(map(str, frame[..., 1].ravel())).encode(), _grey()),
        Seed("P4", b"P4\n16 12\n" + bits, readable=False),
        Seed("P7", pam + frame.tobytes(), readable=False),
        Seed("spaces", b"P3\n8192 8192\n255\n" + b" " * 2**27, readable=False, mutable=False),
    ]


def _gif_seeds() -> list[Seed]:
    rgb = _rgb()
    frames = [rgb.rotate(angle) for angle in (90, 180)]
    return [
        Seed("one frame", _save("GIF", rgb), readable=False),
        Seed("three frames", _save("GIF", rgb, save_all=True, append_images=frames, loop=0), readable=False),
    ]


def _exr_seeds() -> list[Seed]:
    from fuzz.targets.flows import make_exr

    pixels = make_frame().astype(np.float32) / 255
    channels = {name: pixels[..., k] for k, name in enumerate("RGB")}
    halves = {name: channel.astype(np.float16) for name, channel in channels.items()}
    return [
        Seed("float", make_exr(channels), readable=False),
        Seed("half, PIZ", make_exr(halves, "PIZ_COMPRESSION"), readable=False),
        Seed("grey", make_exr({"Y": pixels[..., 0]}), readable=False),
    ]


def _hdr_seeds() -> list[Seed]:
    import cv2

    _, data = cv2.imencode(".hdr", make_frame().astype(np.float32) / 255)
    return [Seed("run lengths", data.tobytes(), readable=False)]


_PNG = (
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"gAMA",
    b"iCCP",
    b"eXIf",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"tEXt",
    b"zTXt",
)
_JPEG = (
    *(
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xda",
        b"\xff\xdb",
        b"\xff\xdd",
        b"\xff\xd0",
    ),
    *(
        b"\xff\xe0",
        b"\xff\xe1",
        b"\xff\xee",
        b"\xff\xfe",
        b"\xff\xcc",
        b"JFIF\0",
        b"Exif\0\0",
        b"Adobe",
        b"II*\0",
        b"MM\0*",
    ),
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"\0\1\3\0", b"\1\1\3\0", b"\2\1\3\0", b"\3\1\3\0", b"\x11\1\4\0", b"\x15\1\3\0")
_WEBP = (b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"\x9d\x01\x2a")
_PNM = (
    b"P1",
    b"P2",
    b"P3",
    b"P4",
    b"P5",
    b"P6",
    b"P7",
    b"#",
    b"\n",
    b" ",
    b"255",
    b"65535",
    b"WIDTH",
    b"DEPTH",
    b"ENDHDR",
)
_EXR = (b"channels\0chlist\0", b"compression\0", b"dataWindow\0box2i\0", b"tiles\0tiledesc\0", b"R\0", b"Y\0", b"RY\0")


def make_image_target(
    name: str,
    make_seeds: Callable[[], list[Seed]],
    tokens: tuple[bytes, ...],
    repair: Callable[[bytes], bytes] | None = None,
    *reshape: Reshape,
) -> Target:
    """A target whose reader is `read_image`."""
    return Target(name, f".{name}", partial(read_image), make_seeds, tokens, repair, reshape, largest=_LARGEST)


IMAGES = [
    make_image_target("png", _png_seeds, _PNG, checksums.repair_png, structures.change_png_chunks),
    make_image_target("jpeg", _jpeg_seeds, _JPEG, None, containers.change_jpeg_segments),
    make_image_target("tiff", _tiff_seeds, _TIFF, None, structures.change_tiff_entries),
    make_image_target("bmp", _bmp_seeds, (b"BM", b"BGRs", b"\x28\0\0\0", b"\x7c\0\0\0")),
    make_image_target("webp", _webp_seeds, _WEBP, None, containers.change_riff),
    make_image_target("pnm", _pnm_seeds, _PNM),
    make_image_target(
        "gif", _gif_seeds, (b"GIF89a", b"GIF87a", b"\x21\xf9\x04", b"\x21\xff\x0b", b"NETSCAPE2.0", b"\x2c", b"\x3b")
    ),
    make_image_target("exr", _exr_seeds, _EXR),
    make_image_target("hdr", _hdr_seeds, (b"#?RADIANCE", b"FORMAT=32-bit_rle_rgbe", b"-Y 12 +X 16", b"\2\2\0\x10")),
]
