"""Images of phones and of film: HEIC, AVIF, JPEG 2000, DPX and TGA."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np
from PIL import Image

from fuzz import containers
from fuzz.target import Seed
from fuzz.targets.images import HEIGHT, WIDTH, make_frame, make_image_target


def _save(kind: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _larger() -> Image.Image:
    # Encoders of video take no picture as small as ours.
    return Image.fromarray(np.kron(make_frame(), np.ones((4, 4, 1), np.uint8)))


def _heif_seeds() -> list[Seed]:
    import pillow_heif

    def write(*images: Image.Image, **options: object) -> bytes:
        file = pillow_heif.from_pillow(images[0])
        for image in images[1:]:
            file.add_from_pillow(image)
        buffer = io.BytesIO()
        file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
        return buffer.getvalue()

    rgb = _larger()
    deep = pillow_heif.from_bytes("RGB;16", rgb.size, (np.asarray(rgb).astype(np.uint16) * 257).tobytes())
    buffer = io.BytesIO()
    deep.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    exif = Image.Exif()
    exif[0x0112] = 6
    frame = np.asarray(rgb)
    return [
        Seed("lossless", write(rgb), frame, tolerance=4),
        Seed("alpha", write(rgb.convert("RGBA")), frame, tolerance=4),
        Seed("grey", write(rgb.convert("L"))),
        Seed("burst", write(rgb, rgb.rotate(180)), frame, tolerance=4),
        Seed("turned", write(rgb, exif=exif.tobytes())),
        Seed("10 bits", buffer.getvalue(), frame, tolerance=4),
    ]


def _without_times(data: bytes) -> bytes:
    """An animation (ISO 14496-12) whose headers do not say when it was written: seeds stay the same."""
    changed = bytearray(data)
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        position = data.find(box)
        assert position > 0 and data[position + 4] == 1, "the times are 64 bits each in version 1 of the box"
        changed[position + 8 : position + 24] = bytes(16)
    return bytes(changed)


def _avif_seeds() -> list[Seed]:
    rgb = _larger()
    frame = np.asarray(rgb)
    best = {"quality": 100, "subsampling": "4:4:4"}
    animation = _save("AVIF", rgb, save_all=True, append_images=[rgb.rotate(180)], duration=50, **best)
    return [
        Seed("4:4:4", _save("AVIF", rgb, **best), frame, tolerance=12),
        Seed("4:2:0", _save("AVIF", rgb, quality=90)),
        Seed("alpha", _save("AVIF", rgb.convert("RGBA"), **best), frame, tolerance=12),
        Seed("animation", _without_times(animation)),
    ]


def _jpeg2000_seeds() -> list[Seed]:
    rgb, frame = Image.fromarray(make_frame()), make_frame()
    return [
        Seed("JP2", _save("JPEG2000", rgb), frame),
        Seed("codestream", _save("JPEG2000", rgb, no_jp2=True), frame),
        Seed("lossy", _save("JPEG2000", rgb, irreversible=True, quality_layers=[10]), readable=False),
        Seed("tiles", _save("JPEG2000", _larger(), tile_size=(16, 16)), np.asarray(_larger())),
        Seed("grey", _save("JPEG2000", rgb.convert("L")), np.repeat(np.asarray(rgb.convert("L"))[..., None], 3, 2)),
    ]


def _dpx_seeds() -> list[Seed]:
    import av

    def encode(pixels: str) -> bytes:
        context = av.CodecContext.create("dpx", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt, context.time_base = WIDTH, HEIGHT, pixels, Fraction(1)
        frame = av.VideoFrame.from_ndarray(make_frame(), format="rgb24").reformat(format=pixels)
        return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])

    return [Seed(pixels, encode(pixels), readable=False) for pixels in ("rgb24", "gbrp10be", "gbrp12le", "rgb48be")]


def _tga_seeds() -> list[Seed]:
    rgb, frame = Image.fromarray(make_frame()), make_frame()
    footer = bytes(8) + b"TRUEVISION-XFILE.\0"
    return [
        Seed("plain", _save("TGA", rgb), frame),
        Seed("run lengths", _save("TGA", rgb, compression="tga_rle"), frame),
        Seed("alpha", _save("TGA", rgb.convert("RGBA")), frame),
        Seed("grey", _save("TGA", rgb.convert("L"))),
        Seed("palette", _save("TGA", rgb.quantize(16))),
        Seed("footer", _save("TGA", rgb) + footer, frame, readable=False),
    ]


_BOXES = (
    *b"ftyp meta hdlr pitm iloc iinf infe iref iprp ipco ipma ispe pixi hvcC av1C irot imir clap idat mdat".split(),
    *b"heic heix mif1 msf1 avif avis thmb dimg auxC colr nclx moov trak stts stsz jP   jp2h ihdr jp2c".split(),
)
_CODESTREAM = tuple(struct.pack(">H", marker) for marker in (0xFF4F, 0xFF51, 0xFF52, 0xFF5C, 0xFF90, 0xFF93, 0xFFD9))

FILM = [
    make_image_target("heic", _heif_seeds, _BOXES, None, containers.change_boxes),
    make_image_target("avif", _avif_seeds, _BOXES, None, containers.change_boxes),
    make_image_target("jp2", _jpeg2000_seeds, (*_BOXES, *_CODESTREAM), None, containers.change_boxes),
    make_image_target("dpx", _dpx_seeds, (b"SDPX", b"XPDS", b"V1.0", b"V2.0")),
    make_image_target("tga", _tga_seeds, (b"TRUEVISION-XFILE.\0", b"\0\0\2", b"\0\0\x0a", b"\0\1\1")),
]
