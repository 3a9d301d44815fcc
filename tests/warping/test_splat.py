"""Forward warping and moments between frames, against scenes whose motion is known to the pixel."""

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.warping.backward import warp
from flowcli.warping.between import interpolate, warp_to
from flowcli.warping.splat import warp_forward

HEIGHT, WIDTH = 40, 60


def make_texture(seed, height=HEIGHT, width=WIDTH):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def make_scene(shift=8):
    """A square of 10x12 that moves `shift` to the right before a still background: frames, flow, what frame 2 shows."""
    background, square = make_texture(1), make_texture(2, 10, 12)
    frames = []
    for step in (0, shift / 2, shift):
        frame = background.copy()
        frame[15:25, 20 + int(step) : 32 + int(step)] = square
        frames.append(frame)
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    uv[15:25, 20:32] = (shift, 0)
    return frames, FlowField(uv)


def test_whole_pixels_arrive_unchanged():
    frame = make_texture(0)
    picture, reached = warp_forward(frame, FlowField(np.full((HEIGHT, WIDTH, 2), (3, -2), np.float32)))
    np.testing.assert_array_equal(picture[:-2, 3:], frame[2:, :-3])
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[:-2, 3:] = True
    np.testing.assert_array_equal(reached, expected)
    assert (picture[~reached] == 0).all()


@pytest.mark.parametrize("with_frame2", [False, True])
def test_what_moves_comes_to_lie_in_front_and_leaves_a_hole(with_frame2):
    (frame1, _, frame2), flow = make_scene()
    picture, reached = warp_forward(frame1, flow, frame2=frame2 if with_frame2 else None)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[15:25, 20:28] = True
    np.testing.assert_array_equal(reached, ~hole)
    # Softmax: what lies behind still has e^-20, or what its colours differ by.
    difference = np.abs(picture.astype(int) - frame2)[~hole]
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.999) <= 20


def test_brightness_tells_what_is_in_front_where_speed_is_wrong():
    # The background moves, the square in front of it stands still.
    background, square = make_texture(3, HEIGHT, WIDTH + 8), make_texture(4, 10, 12)
    frame1, frame2 = background[:, 8:].copy(), background[:, :-8].copy()
    for frame in (frame1, frame2):
        frame[15:25, 20:32] = square
    uv = np.full((HEIGHT, WIDTH, 2), (8, 0), np.float32)
    uv[15:25, 20:32] = 0
    flow = FlowField(uv)
    by_speed, _ = warp_forward(frame1, flow)
    by_brightness, _ = warp_forward(frame1, flow, frame2=frame2)
    area = np.s_[15:25, 20:28]
    assert np.abs(by_speed.astype(int) - frame2)[area].mean() > 50
    assert np.abs(by_brightness.astype(int) - frame2)[area].mean() < 2


def test_half_a_pixel_is_shared_by_two():
    frame = np.zeros((3, 9, 3), np.uint8)
    frame[:, 4] = 200
    uv = np.full((3, 9, 2), (0.5, 0), np.float32)
    picture, _ = warp_forward(frame, FlowField(uv))
    assert picture[1, :, 0].tolist() == [0, 0, 0, 0, 100, 100, 0, 0, 0]


def test_unknown_pixels_go_nowhere():
    frame = make_texture(5)
    uv = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    uv[7, 9] = np.nan
    picture, reached = warp_forward(frame, FlowField.with_unknown(uv))
    assert np.argwhere(~reached).tolist() == [[7, 9]]
    assert picture[7, 9].tolist() == [0, 0, 0]
    nothing, reached = warp_forward(frame, FlowField.with_unknown(np.full_like(uv, np.nan)))
    assert not reached.any() and not nothing.any()


def test_the_middle_of_a_moving_scene():
    (frame1, middle, frame2), flow = make_scene()
    between = interpolate(frame1, frame2, flow, 0.5)
    difference = np.abs(between.astype(int) - middle)
    assert difference.mean() < 0.5
    # The moving square itself, and what it uncovers and hides on its way.
    # Where background that gets covered happens to look like the square, brightness cannot tell the two.
    assert (difference[15:25, 24:36].max(axis=2) <= 3).mean() > 0.85
    assert difference[15:25, 20:24].mean() < 2
    assert difference[15:25, 36:40].mean() < 2


@pytest.mark.parametrize(("time", "which"), [(0.0, 0), (1.0, 2)])
def test_the_ends_are_the_frames(time, which):
    frames, flow = make_scene()
    between = interpolate(frames[0], frames[2], flow, time)
    assert np.abs(between.astype(int) - frames[which]).mean() < 0.5


def test_bringing_back_is_backward_warping_and_stops_halfway():
    (frame1, middle, frame2), flow = make_scene()
    whole, inside = warp_to(frame2, flow, 0)
    np.testing.assert_array_equal(whole[inside], warp(frame2, flow)[inside])
    half, _ = warp_to(frame2, flow, 0.5)
    assert np.abs(half.astype(int) - middle)[15:25, 24:36].max() <= 1
    np.testing.assert_array_equal(warp_to(frame2, flow, 1)[0], frame2)
    assert np.abs(whole.astype(int) - frame1)[15:25, 20:32].max() == 0


def test_outside_is_black_and_not_content():
    frame = np.full((4, 6, 3), 90, np.uint8)
    picture, inside = warp_to(frame, FlowField(np.full((4, 6, 2), (2.25, 0), np.float32)), 0)
    assert inside[0].tolist() == [True, True, True, True, False, False]
    assert picture[0, :, 0].tolist() == [90, 90, 90, 90, 0, 0]


def test_sizes_have_to_fit():
    flow = FlowField(np.zeros((4, 6, 2), np.float32))
    with pytest.raises(InputError, match="expected frame 1 of the size of the flow, 6x4, got 6x5"):
        warp_forward(np.zeros((5, 6, 3), np.uint8), flow)
