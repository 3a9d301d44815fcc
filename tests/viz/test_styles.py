"""The contract of every row of STYLES."""

import cv2
import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.viz import STYLES, render

ALL = pytest.mark.parametrize("style", list(STYLES))
COLORED = pytest.mark.parametrize("style", ["wheel", "hsv", "magnitude"])
HEIGHT, WIDTH = 150, 170
RANDOM = np.random.default_rng(2)
FRAME = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
FRAME2 = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def make_field(height: int = HEIGHT, width: int = WIDTH) -> FlowField:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    uv = np.stack([(x - width / 2) / 9, (y - height / 2) / 7], axis=-1)
    valid = np.ones((height, width), bool)
    valid[: height // 3, : width // 4] = False
    return FlowField(uv, valid)


def draw(field: FlowField, style: str, **options) -> np.ndarray:
    height, width = field.size
    return render(field, style, frame=FRAME[:height, :width], frame2=FRAME2[:height, :width], **options)


@ALL
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (127, 300), (HEIGHT, WIDTH)])
@pytest.mark.parametrize("legend", [False, True])
def test_a_frame_of_the_right_size_comes_out(style, size, legend):
    height, width = min(size[0], HEIGHT), min(size[1], WIDTH)
    picture = draw(make_field(height, width), style, legend=legend)
    assert picture.dtype == np.uint8
    width *= 2 if style == "side-by-side" else 1
    if legend and STYLES[style].legend and min(height, width) < 128:
        # A legend stands beside a picture that it would cover.
        assert picture.shape[0] >= height and picture.shape[1] > width
    else:
        assert picture.shape == (height, width, 3)


@ALL
def test_inputs_are_left_as_they_were(style):
    field, frame, frame2 = make_field(), FRAME.copy(), FRAME2.copy()
    uv = field.uv.copy()
    render(field, style, scale=3, legend=True, frame=frame, frame2=frame2)
    np.testing.assert_array_equal(field.uv, uv)
    np.testing.assert_array_equal(frame, FRAME)
    np.testing.assert_array_equal(frame2, FRAME2)


@COLORED
def test_equal_flow_at_an_equal_scale_has_an_equal_colour(style):
    slow, fast = np.full((4, 5, 2), 2, np.float32), np.full((4, 5, 2), 2, np.float32)
    fast[2:] = 50
    one, other = (render(FlowField(uv), style, scale=8) for uv in (slow, fast))
    np.testing.assert_array_equal(one[:2], other[:2])
    assert (one[2:] != other[2:]).any()


@COLORED
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_unknown_pixels_are_black_and_no_other(style, scale):
    field = make_field()
    picture = render(field, style, scale=scale)
    np.testing.assert_array_equal((picture == 0).all(axis=-1), ~field.known)


@pytest.mark.parametrize("style", ["wheel", "hsv"])
def test_rest_is_white(style):
    assert (render(FlowField(np.zeros((3, 4, 2), np.float32)), style) == 255).all()


def test_magnitude_runs_along_the_colour_map():
    uv = np.zeros((1, 4, 2), np.float32)
    uv[0, :, 1] = 0, 5, 10, 1e9
    levels = np.array([[0, 128, 255, 255]], np.uint8)
    expected = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    np.testing.assert_array_equal(render(FlowField(uv), "magnitude", scale=10), expected)


def test_overlay_leaves_the_picture_visible_and_rest_untinted():
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    uv[:, WIDTH // 2 :, 0] = 10
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[: HEIGHT // 2] = False
    picture = render(FlowField(uv, valid), "overlay", scale=10, frame=FRAME)
    grey = cv2.cvtColor(FRAME, cv2.COLOR_RGB2GRAY).astype(int)
    still = picture[:, : WIDTH // 2].astype(int)
    assert np.abs(still.mean(axis=-1) - grey[:, : WIDTH // 2]).mean() < 12
    moving = picture[HEIGHT // 2 :, WIDTH // 2 :].astype(int)
    assert (moving[..., 0] >= 200).all()  # right is red
    assert moving[..., 1].std() > 5  # the frame shows through
    untinted = picture[: HEIGHT // 2].astype(int)
    expected = 0.25 * FRAME[: HEIGHT // 2] + 0.75 * grey[: HEIGHT // 2, :, None]
    assert np.abs(untinted - expected).max() <= 2


def test_side_by_side_is_the_frame_and_the_wheel():
    field = make_field()
    picture = render(field, "side-by-side", scale=5, frame=FRAME)
    np.testing.assert_array_equal(picture[:, :WIDTH], FRAME)
    np.testing.assert_array_equal(picture[:, WIDTH:], render(field, "wheel", scale=5))


def test_warp_brings_the_second_frame_back():
    uv = np.empty((HEIGHT, WIDTH, 2), np.float32)
    uv[...] = 5, -3
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[70, 80] = False
    moved = np.roll(FRAME, (-3, 5), axis=(0, 1))
    picture = render(FlowField(uv, valid), "warp", frame2=moved)
    expected = FRAME.copy()
    expected[70, 80] = 0
    np.testing.assert_array_equal(picture[3:, : WIDTH - 5], expected[3:, : WIDTH - 5])
    assert (picture[:3] == 0).all()
    assert (picture[:, WIDTH - 5 :] == 0).all()


@pytest.mark.parametrize("background", [0, 255])
def test_arrows_show_on_black_and_on_white(background):
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    uv[..., 0] = 4
    frame = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
    picture = render(FlowField(uv), "arrows", scale=4, frame=frame).astype(int)
    red = (picture[..., 0] > 200) & (picture[..., 1] < 60)
    dark = picture.max(axis=-1) < 60
    assert 0.01 < red.mean() < 0.3
    assert dark.mean() > 0.02


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_still_scene_stays_the_picture_that_it_is(noise):
    uv = np.random.default_rng(0).normal(0, noise, (HEIGHT, WIDTH, 2)).astype(np.float32)
    frame = np.full((HEIGHT, WIDTH, 3), 230, np.uint8)
    picture = render(FlowField(uv), "arrows", scale=4, frame=frame).astype(int)
    assert picture.min() >= 100
    changed = (picture != 230).any(axis=-1)
    assert 0 < changed.mean() < 0.2


def test_an_arrow_starts_at_its_pixel_and_points_along_the_flow():
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    uv[..., 1] = 4
    valid = np.zeros((HEIGHT, WIDTH), bool)
    valid[60:70, 80:90] = True  # as large as a cell of the grid: one arrow
    rows, columns = np.nonzero((render(FlowField(uv, valid), "arrows", scale=4) != 255).any(axis=-1))
    assert 56 <= rows.min() <= 70
    assert 76 <= columns.min() < columns.max() <= 94
    assert np.ptp(rows) > 12  # 1.4 grid steps of 10 px
    assert np.ptp(columns) < np.ptp(rows)


def test_unknown_parts_have_no_arrows():
    field = FlowField(np.ones((HEIGHT, WIDTH, 2), np.float32), np.zeros((HEIGHT, WIDTH), bool))
    assert (render(field, "arrows") == 255).all()


def test_an_arrow_far_beyond_the_scale_stays_short():
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    valid = np.zeros((HEIGHT, WIDTH), bool)
    uv[:20, :20], valid[:20, :20] = (0, 1e8), True
    changed = (render(FlowField(uv, valid), "arrows", scale=2) != 255).any(axis=-1)
    assert changed.any()
    assert np.nonzero(changed)[0].max() < 45


@pytest.mark.parametrize("style", ["overlay", "side-by-side", "warp"])
def test_a_missing_frame_is_asked_for(style):
    with pytest.raises(InputError, match=f"the style {style} is drawn on the (first|second) frame"):
        render(make_field(), style)


@pytest.mark.parametrize("style", ["arrows", "overlay", "side-by-side", "warp"])
def test_a_frame_of_another_size_is_refused(style):
    with pytest.raises(InputError, match="of the size of the flow, 170x150, got 169x150"):
        render(make_field(), style, frame=FRAME[:, 1:], frame2=FRAME2[:, 1:])


def test_a_frame_that_is_none_is_refused():
    with pytest.raises(InputError, match="expected frame as uint8"):
        render(make_field(), "overlay", frame=FRAME[..., 0])


def test_an_unknown_style_lists_the_known_ones():
    with pytest.raises(InputError) as error:
        render(make_field(), "rainbow")
    assert all(style in str(error.value) for style in STYLES)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_must_be_a_length(scale):
    with pytest.raises(InputError, match="expected a scale in pixels greater than 0"):
        render(make_field(), scale=scale)
