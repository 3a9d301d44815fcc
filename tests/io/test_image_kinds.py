"""Every other kind of image over its depths and layouts, against what was put in and Pillow."""

import io
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from flowcli.errors import FormatError
from flowcli.io.image import IMAGE_SUFFIXES, decode_image, read_header
from flowcli.io.image.kinds import IMAGE_KINDS, decode_stored

RANDOM = np.random.default_rng(3)


def make_photo(height=24, width=37):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 2], axis=-1).astype(np.uint8)


PHOTO = make_photo()
DEEP = PHOTO.astype(np.uint16) * 256 + RANDOM.integers(0, 256, PHOTO.shape, np.uint16)


def save(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def stored(data):
    return np.stack(decode_stored(data, "x").planes, -1)


def test_every_kind_has_suffixes_of_its_own():
    assert len(IMAGE_KINDS) == 13
    assert len(set(IMAGE_SUFFIXES)) == len(IMAGE_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


# --- PNG ---


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("filters", [cv2.IMWRITE_PNG_STRATEGY_DEFAULT, cv2.IMWRITE_PNG_STRATEGY_FILTERED])
def test_png_keeps_every_bit(channels, depth, filters):
    pixels = np.dstack([DEEP, DEEP[..., :1] // 3])[..., :channels]
    pixels = pixels if depth == 16 else (pixels >> 8).astype(np.uint8)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    data = cv2.imencode(".png", pixels[..., order], [cv2.IMWRITE_PNG_STRATEGY, filters])[1].tobytes()
    image = decode_stored(data, "x")
    np.testing.assert_array_equal(
        np.stack(image.planes, -1), pixels[..., :3] if channels > 1 or depth == 16 else np.repeat(pixels, 3, 2)
    )
    assert image.full == (0, 2**depth - 1)
    np.testing.assert_array_equal(decode_image(data, "x")[..., 0], pixels[..., 0] >> (depth - 8))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_like_pillow(mode):
    image = Image.fromarray(DEEP[..., 0]) if mode == "I;16" else Image.fromarray(PHOTO).convert(mode)
    data = save(image, "PNG")
    expected = np.asarray(image) >> 8 if mode == "I;16" else np.asarray(image.convert("RGB"))
    found = decode_image(data, "x")
    np.testing.assert_array_equal(found[..., 0] if mode == "I;16" else found, expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(bits):
    image = Image.fromarray(PHOTO[..., 0] >> (8 - bits))
    palette = Image.fromarray(np.asarray(image))
    palette.putpalette(RANDOM.integers(0, 256, 3 * 2**bits, np.uint8).tobytes())
    data = save(palette, "PNG", bits=bits)
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(palette.convert("RGB")))


# --- EXIF ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_all_orientations_with_and_without_prefix(kind, orientation, prefix):
    order = "<" if orientation % 2 else ">"
    tag = struct.pack(order + "HHIHH", 274, 3, 1, orientation, 0)
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1) + tag + bytes(4)
    exif = (prefix or (b"Exif\0\0" if kind == "JPEG" else b"")) + block
    data = save(Image.fromarray(PHOTO), kind, exif=exif, quality=95, **({"lossless": True} if kind == "WEBP" else {}))
    upright = {
        1: PHOTO,
        2: PHOTO[:, ::-1],
        3: PHOTO[::-1, ::-1],
        4: PHOTO[::-1],
        5: PHOTO.swapaxes(0, 1),
        6: np.rot90(PHOTO, 3),
        7: np.rot90(PHOTO, 2).swapaxes(0, 1),
        8: np.rot90(PHOTO),
    }[orientation]
    frame = decode_image(data, "x")
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < (3 if kind == "JPEG" else 0.01)


@pytest.mark.parametrize("value", [0, 9, 70])
def test_orientations_that_mean_nothing(value):
    block = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 274, 3, 1, value, 0) + bytes(4)
    np.testing.assert_array_equal(decode_image(save(Image.fromarray(PHOTO), "PNG", exif=block), "x"), PHOTO)


# --- JPEG ---


def jpeg_segments(data):
    """(where each marker segment before the pixels begins)."""
    places, position = [], 2
    while True:
        places.append(position)
        if data[position + 1] == 0xDA:
            return places
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


@pytest.mark.parametrize("stray", [b"hello", b"\0", b"\xff\xff\xff", b"\xff\0x", b"\0" * 1000])
def test_stray_bytes_between_any_two_segments_of_a_jpeg(stray, capfd):
    data = save(Image.fromarray(PHOTO), "JPEG", quality=90)
    clean = decode_image(data, "x")
    for place in jpeg_segments(data):
        damaged = data[:place] + stray + data[place:]
        np.testing.assert_array_equal(decode_image(damaged, "x"), clean)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(decode_image(data[:-2] + stray + data[-2:], "x"), clean)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("size", [(24, 37), (8, 8), (1, 1), (65, 130)])
def test_jpeg_like_pillow(mode, options, size):
    options = {key: value for key, value in options.items() if mode == "RGB" or key != "subsampling"}
    data = save(
        Image.fromarray(make_photo(*size) if size != (1, 1) else PHOTO[:1, :1]).convert(mode), "JPEG", **options
    )
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_image(data, "x") - expected).max() <= 2


# --- BMP ---

RGB_MASKS, BGR_MASKS, MASKS_565, MASKS_30 = (
    (0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000), (0xF800, 0x7E0, 0x1F), (0x3FF00000, 0xFFC00, 0x3FF),
)  # fmt: skip


def make_bmp(header_bytes, bits, lines, masks=None, top_down=False):
    height, width = PHOTO.shape[:2]
    content = b"".join(line + bytes(-len(line) % 4) for line in (lines if top_down else lines[::-1]))
    if header_bytes == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        tall = -height if top_down else height
        header = struct.pack("<IiiHHIIiiII", header_bytes, width, tall, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0)
        after = struct.pack("<III", *masks) if masks else b""
        header += after if header_bytes == 40 else after.ljust(header_bytes - 40, b"\0")
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(content), 0, 0, start) + header + content


@pytest.mark.parametrize("header_bytes", [12, 40, 52, 56, 64, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_of_24_bits(header_bytes, top_down):
    top_down = top_down and header_bytes > 12
    data = make_bmp(header_bytes, 24, [line.tobytes() for line in PHOTO[..., ::-1]], top_down=top_down)
    np.testing.assert_array_equal(decode_image(data, "x"), PHOTO)


@pytest.mark.parametrize("header_bytes", [40, 52, 56, 108, 124])
@pytest.mark.parametrize("masks", [None, RGB_MASKS, BGR_MASKS, MASKS_30, MASKS_565])
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_by_its_masks(header_bytes, masks, top_down):
    bits = 16 if masks == MASKS_565 else 32
    words = np.zeros(PHOTO.shape[:2], np.uint32)
    for channel, mask in enumerate(masks or RGB_MASKS):
        shift = (mask & -mask).bit_length() - 1
        words |= (PHOTO[..., channel].astype(np.uint32) * (mask >> shift) // 255) << shift
    data = make_bmp(header_bytes, bits, [line.astype(f"<u{bits // 8}").tobytes() for line in words], masks, top_down)
    difference = np.abs(decode_image(data, "x").astype(int) - PHOTO).max()
    assert difference <= (8 if bits == 16 else 1 if masks == MASKS_30 else 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_like_pillow(mode):
    image = Image.fromarray(PHOTO).convert(mode)
    np.testing.assert_array_equal(decode_image(save(image, "BMP"), "x"), np.asarray(image.convert("RGB")))


# --- TGA, GIF, WebP ---


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}, {"orientation": 1}])
def test_tga(mode, options):
    image = Image.fromarray(PHOTO).convert(mode)
    data = save(image, "TGA", **options)
    assert read_header(data, "x")[0].name == "TGA"
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(image.convert("RGB")))


def test_a_tga_without_a_footer_and_one_cut_short():
    data = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 37, 24, 24, 0x20) + PHOTO[..., ::-1].tobytes()
    np.testing.assert_array_equal(decode_image(data, "x"), PHOTO)
    with pytest.raises(FormatError, match="TGA file is cut short"):
        decode_image(data[:-1], "x")


def test_a_gif_gives_its_first_frame():
    image = Image.fromarray(PHOTO).quantize(64)
    data = save(image, "GIF", save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("options", [{}, {"lossless": True}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_webp_like_pillow(mode, options):
    data = save(Image.fromarray(PHOTO).convert(mode), "WEBP", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_image(data, "x") - expected).max() <= 1


# --- JPEG 2000, EXR, DPX ---


def encode_with_ffmpeg(codec, pixels, kind, **options):
    """uint16 (H, W, 3) as a picture of FFmpeg's pixel format `kind`, which is made from it exactly."""
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt, context.time_base, context.options = kind, Fraction(1, 25), options
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb48le")
    packets = [*context.encode(frame.reformat(format=kind)), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


@pytest.mark.parametrize("kind", ["dpx", "jpeg2000"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("order", ["le", "be"])
def test_film_keeps_its_depth(kind, bits, order):
    if kind == "jpeg2000" and order == "be":
        order = "le"
    form = {8: "rgb24", 10: f"gbrp10{order}", 12: f"gbrp12{order}", 16: f"rgb48{order}"}[bits]
    pixels = np.ascontiguousarray(np.tile(DEEP, (2, 2, 1)))
    data = encode_with_ffmpeg(kind, pixels, form, **({"pred": "dwt53"} if kind == "jpeg2000" else {}))
    image = decode_stored(data, "x")
    found, full = np.stack(image.planes, -1), image.full
    shift = round(np.log2(full[1] + 1)) - bits
    assert np.abs((found >> shift).astype(int) - (pixels >> (16 - bits))).max() <= 1  # FFmpeg rounds on the way
    assert np.abs(decode_image(data, "x").astype(int) - (pixels >> 8)).max() <= 1


@pytest.mark.parametrize("no_jp2", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "LA"])
def test_jpeg_2000_like_pillow(mode, no_jp2):
    image = Image.fromarray(DEEP[..., 0]) if mode == "I;16" else Image.fromarray(PHOTO).convert(mode)
    data = save(image, "JPEG2000", no_jp2=no_jp2)
    assert read_header(data, "x")[0].name == "JPEG 2000"
    if mode == "I;16":
        np.testing.assert_array_equal(stored(data)[..., 0], DEEP[..., 0])
    else:
        np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(image.convert("RGB")))
    for part in (0.3, 0.9):
        with pytest.raises(FormatError, match="x: "):
            decode_image(data[: int(len(data) * part)], "x")


def write_exr(path, channels, **header):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(header, channels).write(str(path))
    return path.read_bytes()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("names", ["RGB", "RGBA", "Y"])
@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
@pytest.mark.parametrize("tiled", [False, True])
def test_exr_keeps_its_floats(dtype, names, compression, tiled, tmp_path):
    values = (RANDOM.random((30, 41, 4)) * 0.999).astype(dtype)
    channels = {name: np.ascontiguousarray(values[..., k]) for k, name in enumerate(names)}
    options = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION")}
    if tiled:
        options |= {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
    data = write_exr(tmp_path / "a.exr", channels | {"depth": np.ascontiguousarray(values[..., 3])}, **options)
    np.testing.assert_array_equal(stored(data), values[..., : min(3, len(names))])
    # 0 to 1 are what the values take.
    np.testing.assert_array_equal(
        decode_image(data, "x")[..., 0], (values[..., 0].astype(float) * 256).astype(np.uint8)
    )


def test_an_exr_that_is_no_picture(tmp_path):
    zero = np.zeros((4, 5), np.float32)
    with pytest.raises(FormatError, match="x: expected a picture with the channels R, G, B or Y, found u, v"):
        decode_image(write_exr(tmp_path / "a.exr", {"u": zero, "v": zero}), "x")


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_film_cut_short(part, tmp_path, capfd):
    for data in (
        write_exr(tmp_path / "a.exr", {"RGB": RANDOM.random((30, 41, 3)).astype(np.float32)}),
        encode_with_ffmpeg("dpx", DEEP, "gbrp10be"),
        encode_with_ffmpeg("jpeg2000", np.tile(DEEP, (2, 2, 1)), "rgb48le"),
    ):
        with pytest.raises(FormatError, match="x: ") as error:
            decode_image(data[: int(len(data) * part)], "x")
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


# --- PNM ---


@pytest.mark.parametrize("maximum", [1, 15, 100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("magic", ["P2", "P3", "P5", "P6"])
def test_pnm_of_every_maximum(magic, maximum):
    channels = 3 if magic in ("P3", "P6") else 1
    samples = RANDOM.integers(0, maximum + 1, (6, 9, channels))
    header = f"{magic}\n# a comment\n9 6\n{maximum}\n".encode()
    if magic in ("P2", "P3"):
        body = "\n".join(" ".join(map(str, row.ravel())) for row in samples).encode() + b"\n# the end"
    else:
        body = samples.astype(">u2" if maximum > 255 else "u1").tobytes()
    image = decode_stored(header + body, "x")
    if maximum > 255:
        np.testing.assert_array_equal(np.stack(image.planes, -1), samples)
        assert image.full == (0, maximum)
    else:
        expected = (samples * 255 + maximum // 2) // maximum
        np.testing.assert_array_equal(decode_image(header + body, "x")[..., :channels], expected)


def test_what_pillow_warns_of_is_not_passed_on(recwarn, capfd):
    data = save(Image.fromarray(PHOTO), "TIFF", compression="jpeg")
    for place in range(len(data) - 200, len(data), 2):
        try:
            decode_image(data[:place] + b"\xff\xff" + data[place + 2 :], "x")
        except FormatError as error:
            assert "\n" not in str(error)
    assert not recwarn.list
