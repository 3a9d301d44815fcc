import cv2
import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.io.image import ValueRange, choose_range, parse_range, read_image, read_images, to_frame
from flowcli.io.image.stored import StoredImage, from_frame

RANDOM = np.random.default_rng(11)
# What a photograph has: all levels, dark ones most.
PHOTO = cv2.GaussianBlur((RANDOM.random((96, 128, 3)) ** 2 * 255).astype(np.uint8), (3, 3), 0)
PHOTO = cv2.normalize(PHOTO, PHOTO, 0, 255, cv2.NORM_MINMAX)


def deep(pixels, full=(0, 65535)):
    return StoredImage(tuple(pixels[..., k] for k in range(pixels.shape[2])), full)


@pytest.mark.parametrize("bits", range(8, 17))
def test_8_bits_in_any_number_of_bits_come_out_as_they_were(bits):
    image = deep(PHOTO.astype(np.uint16) << (bits - 8))
    chosen = choose_range([image], "auto")
    assert chosen == ValueRange(0, 2**bits - 1)
    np.testing.assert_array_equal(to_frame(image, chosen), PHOTO)


@pytest.mark.parametrize("factor", [1 / 255, 1 / 256, 1.0, 257.0])
def test_8_bits_as_floats_come_out_as_they_were(factor):
    image = deep((PHOTO * factor).astype(np.float32), None)
    np.testing.assert_array_equal(to_frame(image, choose_range([image], "auto")), PHOTO)


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_a_camera_of_few_bits_uses_most_levels(bits):
    low, high = 40, 2**bits - 2**bits // 3
    image = deep(RANDOM.integers(low, high, (80, 90, 1)).astype(np.uint16))
    frame = to_frame(image, choose_range([image], "auto"))
    assert int(frame.max()) - int(frame.min()) >= 140
    assert to_frame(image, "full").max() <= 2 ** (bits - 8)


def test_a_narrow_band_far_from_zero_is_spread():
    image = deep(RANDOM.integers(7000, 7100, (80, 90, 1)).astype(np.uint16))
    chosen = choose_range([image], "auto")
    assert chosen.low <= 7000 and chosen.high >= 7099 and chosen.high - chosen.low == 127
    assert len(np.unique(to_frame(image, chosen))) == 100


def test_signed_values_are_centred():
    image = deep(RANDOM.integers(-900, 1001, (80, 90, 1)).astype(np.int16), (-32768, 32767))
    chosen = choose_range([image], "auto")
    assert chosen.low < -850 and chosen.high > 950 and chosen.high - chosen.low == 2047


def test_hot_pixels_do_not_count_and_small_bright_things_do():
    pixels = RANDOM.integers(0, 1000, (200, 200, 1)).astype(np.uint16)
    pixels[::17, ::19] = 65535
    assert choose_range([deep(pixels)], "auto") == ValueRange(0, 1023)
    pixels[50:60, 50:60] = 30000
    assert choose_range([deep(pixels)], "auto") == ValueRange(0, 32767)


def test_the_range_is_that_of_all_images():
    dark, bright = (deep(np.full((20, 20, 1), value, np.uint16)) for value in (100, 3000))
    chosen = choose_range([dark, bright], "auto")
    assert chosen == ValueRange(0, 4095)
    assert to_frame(dark, chosen).max() == 100 >> 4


@pytest.mark.parametrize("value", [0, 1, 700, 65535])
def test_images_of_one_value_have_a_range(value):
    image = deep(np.full((20, 20, 1), value, np.uint16))
    assert to_frame(image, choose_range([image], "auto")).shape == (20, 20, 3)
    floats = deep(np.full((20, 20, 1), value * 1.5, np.float32), None)
    assert to_frame(floats, choose_range([floats], "auto")).shape == (20, 20, 3)
    nothing = deep(np.full((20, 20, 1), np.nan, np.float32), None)
    assert to_frame(nothing, choose_range([nothing], "auto")).max() == 0


def test_8_bits_stay_unless_a_range_is_named():
    image = from_frame(PHOTO)
    assert to_frame(image, choose_range([image], "auto")) is PHOTO
    assert to_frame(image, "full") is PHOTO
    np.testing.assert_array_equal(to_frame(image, ValueRange(0, 127)), (PHOTO.astype(int) * 2).clip(0, 255))


def test_8_bits_beside_more_are_compared_by_their_formats():
    assert choose_range([deep(PHOTO.astype(np.uint16)), from_frame(PHOTO)], "auto") == "full"


@pytest.mark.parametrize(
    ("text", "value"),
    [("auto", "auto"), ("full", "full"), ("0:4095", ValueRange(0, 4095)), ("-1.5:2e3", ValueRange(-1.5, 2000))],
)
def test_ranges_as_typed(text, value):
    assert parse_range(text) == value


@pytest.mark.parametrize("text", ["", "12", "5:5", "9:1", "nan:1", "0:inf", "a:b", "0:1:2", "Auto"])
def test_other_text_is_no_range(text):
    with pytest.raises(ValueError, match="expected"):
        parse_range(text)


def test_files_that_belong_together(tmp_path):
    for name, shift in (("a", 0), ("b", 3)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.roll(PHOTO, shift, 1).astype(np.uint16) << 1)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    first, second = read_images(paths)
    np.testing.assert_array_equal(first, PHOTO[..., ::-1])
    np.testing.assert_array_equal(second, np.roll(PHOTO, 3, 1)[..., ::-1])
    assert read_image(paths[0]).max() == 1
    assert read_images(paths, ValueRange(0, 65535))[0].max() == 1
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FormatError, match=r"b\.png"):
        read_images(paths)
