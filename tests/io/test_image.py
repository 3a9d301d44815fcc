import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from flowcli.errors import FormatError, InputError, OutputError
from flowcli.io.image import IMAGE_SUFFIXES, PICTURE_SUFFIXES, decode_image, encode_image, read_image, write_image


def make_photo(height: int = 24, width: int = 37) -> np.ndarray:
    """Smooth in both directions and different in all corners, so that every turn and channel swap shows."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 2], axis=-1).astype(np.uint8)


PHOTO = make_photo()


def save(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_what_is_written_comes_back(suffix, tmp_path):
    path = tmp_path / f"картина 絵{suffix}"
    before = PHOTO.copy()
    write_image(path, PHOTO)
    np.testing.assert_array_equal(PHOTO, before)
    difference = np.abs(read_image(path).astype(int) - PHOTO)
    assert difference.mean() <= (3 if suffix in (".jpg", ".jpeg", ".webp") else 0)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert suffix in IMAGE_SUFFIXES


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_files_of_another_writer(kind):
    np.testing.assert_array_equal(decode_image(save(Image.fromarray(PHOTO), kind), "x"), PHOTO)


def test_content_decides_not_the_suffix(tmp_path):
    (tmp_path / "really_png.jpg").write_bytes(encode_image(PHOTO, ".png"))
    np.testing.assert_array_equal(read_image(tmp_path / "really_png.jpg"), PHOTO)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "PPM"])
def test_grey_is_repeated(kind):
    frame = decode_image(save(Image.fromarray(PHOTO[..., 0]), kind), "x")
    assert frame.shape == PHOTO.shape
    assert (frame == frame[..., :1]).all()
    assert np.abs(frame[..., 0].astype(int) - PHOTO[..., 0]).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_16_bits_keep_the_upper_8(suffix):
    deep = PHOTO.astype(np.uint16) * 256 + 200
    data = cv2.imencode(suffix, deep[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode_image(data, "x"), PHOTO)


def test_transparency_is_dropped():
    alpha = np.full(PHOTO.shape[:2], 30, np.uint8)
    data = save(Image.fromarray(np.dstack([PHOTO, alpha])), "PNG")
    np.testing.assert_array_equal(decode_image(data, "x"), PHOTO)
    data = save(Image.fromarray(np.dstack([PHOTO[..., 0], alpha]), "LA"), "PNG")
    np.testing.assert_array_equal(decode_image(data, "x"), np.repeat(PHOTO[..., :1], 3, axis=2))


def test_palette_is_looked_up():
    image = Image.fromarray(PHOTO).quantize(64)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode_image(save(image, "PNG", transparency=3), "x"), expected)
    np.testing.assert_array_equal(decode_image(save(image, "BMP"), "x"), expected)


def test_one_bit_becomes_black_and_white():
    image = Image.fromarray(PHOTO[..., 0] > 128)
    frame = decode_image(save(image, "PNG"), "x")
    np.testing.assert_array_equal(frame[..., 1], np.where(PHOTO[..., 0] > 128, 255, 0))


def test_cmyk_jpeg_becomes_rgb():
    frame = decode_image(save(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=98), "x")
    assert np.abs(frame.astype(int) - PHOTO).mean() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(kind, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    frame = decode_image(save(Image.fromarray(PHOTO), kind, exif=exif, quality=95), "x")
    expected = np.rot90(PHOTO, turns)
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    ("header", "samples", "expected"),
    [
        (b"P5 2 1 15 ", b"\x0f\x05", [255, 85]),
        (b"P5\n# made by hand\n2 1\n1023\n", struct.pack(">2H", 1023, 341), [255, 85]),
        (b"P5\n2 1\n65535\n", struct.pack(">2H", 65535, 0x5580), [255, 85]),
        (b"P5\n2 1\n100\n", b"\xff\x64", [255, 255]),
        (b"P2\n2 1\n3\n", b"3 1\n", [255, 85]),
        (b"P6\n1 1\n255\n", b"\1\2\3", None),
    ],
)
def test_pnm_maxima(header, samples, expected):
    frame = decode_image(header + samples, "x")
    if expected is None:
        assert frame.tolist() == [[[1, 2, 3]]]
    else:
        assert frame[0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.97])
def test_files_cut_short_are_one_clear_line(kind, part, tmp_path, capfd):
    data = save(Image.fromarray(make_photo(64, 64)), kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FormatError, match=r"cut\.img: ") as error:
        read_image(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_progressive_jpeg_and_one_with_data_after_its_end():
    data = save(Image.fromarray(PHOTO), "JPEG", progressive=True, quality=95, comment=b"\xff\xd9 in a comment")
    assert np.abs(decode_image(data + b"a video follows", "x").astype(int) - PHOTO).mean() < 3
    with pytest.raises(FormatError, match="JPEG file is cut short"):
        decode_image(data[:-2], "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"this is a text file, not a picture", "found data starting b'this is '"),
        (b"GIF89a" + bytes(50), "GIF file is cut short"),
        (b"%PDF-1.7" + bytes(50), "expected an image .PNG, JPEG, .*, TGA."),
        (b"P6\n2 2\n0\n" + bytes(12), "maximum of 1 to 65535"),
        (b"P6 x", "cut short"),
        (b"II*\0\x08\0\0\0\0\0", "has no size"),
        (b"II*\0\x08\0", "TIFF file is cut short"),
        (b"BM" + bytes(12) + b"\x28\0", "BMP file is cut short"),
        (b"\xff\xd8\xff\xe0\0\4ab not a marker", "JPEG file is cut short"),
        (b"\xff\xd8\xff\xda\0\2 pixels\xff\xd9", "JPEG file is cut short"),
        (b"RIFF\x0a\0\0\0WEBPVP8X\0\0", "WebP file is cut short"),
    ],
)
def test_other_content_is_refused(content, message, tmp_path):
    path = tmp_path / "text.png"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"text\.png: .*" + message):
        read_image(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputError, match="found a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("header", [b"P5 3 2 255\n", b"P5 3 2 256\n", b"P6 2 1 255\n", b"P2 3 2 9\n"])
def test_pnm_needs_every_last_byte(header, missing):
    body = b"1 2 3 4 5 6" if header[:2] == b"P2" else bytes(12 if b"256" in header else 6)
    data = header + body[: len(body) - missing]
    if missing:
        with pytest.raises(FormatError, match=r"cut short|cannot be decoded"):
            decode_image(data, "x")
    else:
        assert decode_image(data, "x").dtype == np.uint8


HUGE = 60000


@pytest.mark.parametrize(
    "data",
    [
        png_of(HUGE, HUGE, b""),
        b"\xff\xd8\xff\xc0\0\x0b\x08" + struct.pack(">HH", HUGE, HUGE) + b"\1\1\x11\0\xff\xda\0\2\xff\xd9",
        b"BM" + bytes(12) + struct.pack("<Iii", 40, HUGE, -HUGE) + bytes(40),
        b"BM" + bytes(12) + struct.pack("<IHH", 12, HUGE, HUGE) + bytes(40),
        b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 256, 4, 1, HUGE) + struct.pack("<HHII", 257, 4, 1, HUGE),
        b"MM\0*\0\0\0\x08\0\2" + struct.pack(">HHIHH", 256, 3, 1, HUGE, 0) + struct.pack(">HHIHH", 257, 3, 1, HUGE, 0),
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (HUGE - 1).to_bytes(3, "little") * 2,
        b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f" + bytes(5),
        b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f",
    ],
    ids=["PNG", "JPEG", "BMP", "BMP old", "TIFF", "TIFF big-endian", "WebP", "WebP lossless", "WebP lossy"],
)
def test_a_header_that_promises_too_much_is_refused_before_decoding(data, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)  # must not be reached
    with pytest.raises(FormatError, match="at most 67108864 pixels"):
        decode_image(data, "x")


def test_fill_bytes_and_a_late_marker_in_a_jpeg():
    data = save(Image.fromarray(PHOTO), "JPEG", quality=95)
    filled = data[:2] + b"\xff\xff" + data[2:]
    counted = data[:-2] + b"\xff\xdc\0\4" + struct.pack(">H", PHOTO.shape[0]) + data[-2:]  # DNL: number of lines
    for variant in (filled, counted):
        assert np.abs(decode_image(variant, "x").astype(int) - PHOTO).mean() < 3


def test_a_complaint_of_opencv_is_a_format_error(monkeypatch):
    def complain(data, flags):
        raise cv2.error("too large for OPENCV_IO_MAX_IMAGE_PIXELS")

    monkeypatch.setattr(cv2, "imdecode", complain)
    with pytest.raises(FormatError, match="x: PNG file is damaged or of a kind"):
        decode_image(encode_image(PHOTO, ".png"), "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_of(9, 9, bytes(28)), "damaged or of a kind"),
        (png_of(9, 9, bytes(9 * 28)).replace(b"IDAT", b"IDAX"), "wrong checksum"),
        (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IEND", b""), "IHDR first"),
    ],
    ids=["pixels missing", "checksum", "no header"],
)
def test_damage_inside(data, message):
    with pytest.raises(FormatError, match=message):
        decode_image(data, "x")


def test_unwritable_pictures(tmp_path):
    with pytest.raises(InputError, match=r"ending in \.png \.jpg.*found '\.gif'"):
        write_image(tmp_path / "a.gif", PHOTO)
    with pytest.raises(InputError, match="found no suffix"):
        write_image(tmp_path / "a", PHOTO)
    with pytest.raises(InputError, match="uint8"):
        write_image(tmp_path / "a.png", PHOTO.astype(np.float32))
    with pytest.raises(OutputError):
        write_image(tmp_path / "none" / "a.png", PHOTO)
    assert not list(tmp_path.iterdir())
