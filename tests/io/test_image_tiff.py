"""TIFF over depth, layout, compression and predictor, against what was put in, tifffile and Pillow."""

import io
import itertools

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import COMPRESSIONS, make_tiff

from flowcli.errors import FormatError
from flowcli.io.image import decode_image
from flowcli.io.image.kinds import decode_stored

RANDOM = np.random.default_rng(7)
HEIGHT, WIDTH = 37, 45


def make_pixels(dtype, components, bits=None):
    """Smooth with some noise, so that compression has something to do."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 45
    waves = np.stack([np.sin(3 * x + k) * np.cos(5 * y - k) for k in range(components)], -1)
    waves = (waves + 1) / 2.2 + RANDOM.random(waves.shape) * 0.05
    if np.dtype(dtype).kind == "f":
        return (waves * 700 - 20).astype(dtype)
    if np.dtype(dtype).kind == "i":
        return ((waves - 0.5) * np.iinfo(dtype).max).astype(dtype)
    return (waves * (2 ** (bits or 8 * np.dtype(dtype).itemsize) - 1)).astype(dtype)


def stored(data):
    image = decode_stored(data, "x")
    return np.stack(image.planes, -1)


KINDS = [("u1", None), ("u2", None), ("u2", 12), ("u2", 10), ("f4", None), ("f2", None), ("u4", None), ("i2", None)]
LAYOUTS = [
    {},
    {"planar": True},
    {"tile": (16, 16)},
    {"tile": (16, 32), "planar": True, "order": ">"},
    {"strip_rows": 100, "big": True},
    {"order": ">", "big": True, "tile": (48, 16)},
]


# A third of all combinations, in which every kind, layout and compression meets every other.
COMBINATIONS = [
    (*kind, layout, compression)
    for (k, kind), (m, layout), (n, compression) in itertools.product(*map(enumerate, (KINDS, LAYOUTS, COMPRESSIONS)))
    if (k + m + n) % 3 == 0
]


@pytest.mark.parametrize(("dtype", "bits", "layout", "compression"), COMBINATIONS, ids=str)
def test_every_sample_comes_back(dtype, bits, layout, compression):
    for components, predictor in itertools.product((1, 3, 4), (1, 2, 3)):
        kind = np.dtype(dtype).kind
        if (predictor == 2 and bits) or (predictor == 3 and kind != "f") or (predictor > 1 and compression == "none"):
            continue
        pixels = make_pixels(dtype, components, bits)
        options = {"extra": 2} if components == 4 else {}
        data = make_tiff(pixels, bits, compression=compression, predictor=predictor, **layout, **options)
        found = stored(data)
        np.testing.assert_array_equal(found, pixels[..., : min(components, 3)])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("compression", ["none", "lzw", "zstd"])
@pytest.mark.parametrize("layout", LAYOUTS[:3:2], ids=["strips", "tile"])
def test_few_bits_of_grey(bits, white_is_zero, compression, layout):
    grey = make_pixels("u1", 1, bits)[..., 0]
    data = make_tiff(grey, bits, photometric=0 if white_is_zero else 1, compression=compression, **layout)
    expected = (grey.astype(int) ^ (2**bits - 1 if white_is_zero else 0)) * 255 // (2**bits - 1)
    np.testing.assert_array_equal(decode_image(data, "x"), np.repeat(expected[..., None], 3, 2))


@pytest.mark.parametrize(("dtype", "bits"), [("u1", None), ("u2", None), ("u2", 12)])
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw"])
def test_white_is_zero(dtype, bits, compression):
    grey = make_pixels(dtype, 1, bits)[..., 0]
    depth = bits or 8 * grey.itemsize
    data = make_tiff(grey, bits, photometric=0, compression=compression)
    np.testing.assert_array_equal(stored(data)[..., 0], 2**depth - 1 - grey)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_upper_8_bits_by_the_file_s_own_depth(bits):
    pixels = make_pixels("u2", 3, bits)
    frame = decode_image(make_tiff(pixels, bits if bits < 16 else None, compression="lzw"), "x")
    np.testing.assert_array_equal(frame, pixels >> (bits - 8))


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("components", [2, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_colours_are_not_multiplied_by_transparency(extra, components, dtype):
    pixels = make_pixels(dtype, components)
    pixels[..., -1] = 20
    found = stored(make_tiff(pixels, extra=extra, photometric=2 if components == 4 else 1))
    np.testing.assert_array_equal(found, pixels[..., : components - 1])


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("compression", ["none", "lzw"])
def test_palettes(bits, compression):
    indices = make_pixels("u1", 1, bits)[..., 0]
    table = RANDOM.integers(0, 256, (3, 2**bits))
    colours = (320, 3, (table * 257).ravel().tolist())
    data = make_tiff(indices, bits if bits < 8 else None, photometric=3, compression=compression, tags=[colours])
    expected = np.moveaxis(table[:, indices], 0, 2)
    np.testing.assert_array_equal(decode_image(data, "x"), expected)
    if bits > 2:  # Pillow has no palettes of 2 bits
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), expected)


@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_cmyk(compression, dtype):
    pixels = make_pixels(dtype, 4)
    found = stored(make_tiff(pixels, photometric=5, compression=compression))
    most = np.iinfo(dtype).max
    expected = (most - pixels[..., :3].astype(float)) * (most - pixels[..., 3:].astype(float)) / most
    assert np.abs(found - expected).max() <= 0.5
    if dtype == "u1":
        data = make_tiff(pixels, photometric=5, compression=compression)
        other = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(decode_image(data, "x") - other).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["none", "lzw", "jpeg"])
def test_orientation(orientation, compression):
    y, x = np.mgrid[:24, :40]
    photo = np.stack([x * 6, y * 10, (x + y) * 3], -1).astype(np.uint8)
    if compression == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "TIFF", compression="jpeg", quality=95, tiffinfo={274: orientation})
        data = buffer.getvalue()
    else:
        data = make_tiff(photo, compression=compression, tags=[(274, 3, [orientation])])
    upright = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.swapaxes(0, 1),
        6: np.rot90(photo, 3),
        7: np.rot90(photo, 2).swapaxes(0, 1),
        8: np.rot90(photo),
    }[orientation]
    frame = decode_image(data, "x")
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).max() <= (12 if compression == "jpeg" else 0)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "CMYK", "P", "LA", "RGBA", "YCbCr"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "zstd", "tiff_adobe_deflate", "jpeg", "group4", "packbits"])
def test_what_pillow_writes(mode, compression):
    if (compression == "group4") != (mode == "1") and "group4" in (compression, mode):
        compression = None
    if compression == "jpeg" and mode in ("P", "LA", "1", "RGBA"):
        compression = "tiff_lzw"
    y, x = np.mgrid[:64, :48]
    photo = Image.fromarray(np.stack([x * 5, y * 4, (x + y) * 2], -1).astype(np.uint8))
    photo = photo.convert("RGB").convert(mode)
    if compression == "group4":
        photo = photo.convert("1")
    buffer = io.BytesIO()
    photo.save(buffer, "TIFF", **({"compression": compression} if compression else {}))
    read = Image.open(io.BytesIO(buffer.getvalue()))
    expected = np.asarray(read.convert("RGB")).astype(int)
    assert np.abs(decode_image(buffer.getvalue(), "x") - expected).max() <= 1


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_what_opencv_writes(dtype, compression):
    pixels = make_pixels(dtype, 3)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    data = cv2.imencode(".tiff", pixels[..., ::-1], options)[1].tobytes()
    np.testing.assert_array_equal(stored(data), pixels)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8", "i2", "u4"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": False}, {"tile": (16, 16)}, {"planarconfig": "separate"}]
)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_what_tifffile_writes(dtype, options, bigtiff):
    pixels = make_pixels(dtype, 3)
    shown = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, shown, bigtiff=bigtiff, photometric="rgb", **options)
    np.testing.assert_array_equal(stored(buffer.getvalue()), pixels.astype("f4") if dtype == "f8" else pixels)


def test_a_fill_order_from_the_right(tmp_path):
    pixels = make_pixels("u1", 3)
    reverse = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]
    data = make_tiff(reverse[pixels], tags=[(266, 3, [2])])
    np.testing.assert_array_equal(stored(data), pixels)


def test_nan_and_infinity_become_a_colour():
    grey = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.float32)
    grey[0, :3] = np.nan, np.inf, -np.inf
    frame = decode_image(make_tiff(grey), "x")
    assert frame[0, :3, 0].tolist() == [0, 255, 0]
    np.testing.assert_array_equal(frame[1:, :, 0], (grey[1:] * 256).clip(0, 255).astype(np.uint8))


def test_a_compression_of_its_own_needs_imagecodecs(monkeypatch):
    data = bytearray(make_tiff(make_pixels("u2", 3)))
    at = data.index(b"\x03\x01\x03\x00\x01\0\0\0\x01\0")
    data[at + 8 : at + 10] = (34887).to_bytes(2, "little")  # LERC
    with pytest.raises(FormatError, match=r"x: .*imagecodecs|damaged|cannot be decoded"):
        decode_image(bytes(data), "x")


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("part", [0.1, 0.4, 0.9])
def test_a_tiff_cut_short_is_one_line(compression, part, capfd):
    data = make_tiff(make_pixels("u2", 3), compression=compression)
    with pytest.raises(FormatError, match="x: ") as error:
        decode_image(data[: int(len(data) * part)], "x")
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd", "lzma", "packbits"])
def test_damaged_strips_are_one_line(compression, capfd):
    data = bytearray(make_tiff(make_pixels("u2", 3), compression=compression))
    data[40:400] = bytes(range(90)) * 4
    try:
        decode_image(bytes(data), "x")
    except FormatError as error:
        assert "\n" not in str(error)
    assert capfd.readouterr() == ("", "")
