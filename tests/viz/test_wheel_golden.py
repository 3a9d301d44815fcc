"""The wheel against an independent implementation of the published definition (Baker et al. 2011, colorcode.cpp).

Written pixel by pixel in double precision from the paper's description, so that it shares nothing with the table
look-up that it checks.
"""

import colorsys
import math

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.viz import render


def build_published_wheel() -> list[tuple[int, int, int]]:
    wheel = [(255, 255 * i // 15, 0) for i in range(15)]
    wheel += [(255 - 255 * i // 6, 255, 0) for i in range(6)]
    wheel += [(0, 255, 255 * i // 4) for i in range(4)]
    wheel += [(0, 255 - 255 * i // 11, 255) for i in range(11)]
    wheel += [(255 * i // 13, 0, 255) for i in range(13)]
    wheel += [(255, 0, 255 - 255 * i // 6) for i in range(6)]
    return wheel


WHEEL = build_published_wheel()


def color_as_published(u: float, v: float) -> list[int]:
    radius = math.hypot(u, v)
    position = (math.atan2(-v, -u) / math.pi + 1) / 2 * (len(WHEEL) - 1)
    first = int(position)
    part = position - first
    pixel = []
    for channel in range(3):
        a, b = WHEEL[first][channel] / 255, WHEEL[(first + 1) % len(WHEEL)][channel] / 255
        color = (1 - part) * a + part * b
        color = 1 - radius * (1 - color) if radius <= 1 else color * 0.75
        pixel.append(int(255 * color))
    return pixel


def make_fan(lengths, degrees) -> np.ndarray:
    angle, length = np.meshgrid(np.deg2rad(degrees), lengths)
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1).astype(np.float32)


def test_wheel_equals_the_published_colours():
    # The published circle has a seam at the right, where its last colour jumps to the first: 0.05 degrees are left out.
    uv = make_fan([0.0, 0.1, 1.0, 3.3, 6.99, 7.01, 20.0], np.linspace(0.1, 359.9, 240))
    expected = np.array([[color_as_published(*pixel) for pixel in row] for row in (uv / 7).astype(float)])
    found = render(FlowField(uv), "wheel", scale=7).astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(
    ("flow", "color"),
    [((1, 0), (255, 0, 0)), ((0, 1), (255, 229, 0)), ((-1, 0), (0, 209, 255)), ((0, 0), (255, 255, 255))],
    ids=["right is red", "down is yellow", "left is cyan", "rest is white"],
)
def test_landmarks_of_the_wheel(flow, color):
    picture = render(FlowField(np.array([[flow]], np.float32)), "wheel", scale=1)
    assert picture.tolist() == [[list(color)]]


def test_beyond_the_scale_the_wheel_is_darkened():
    picture = render(FlowField(np.array([[(10, 0), (10.1, 0), (1e9, 0)]], np.float32)), "wheel", scale=10)
    assert picture.tolist() == [[[255, 0, 0], [191, 0, 0], [191, 0, 0]]]


def test_hsv_is_hue_by_direction_and_saturation_by_length():
    uv = make_fan([0.0, 5.0, 12.0, 24.0, 30.0], np.linspace(0, 359, 90))
    angle, length = np.arctan2(uv[..., 1], uv[..., 0]), np.hypot(uv[..., 0], uv[..., 1])
    expected = [
        [colorsys.hsv_to_rgb(a / (2 * np.pi) % 1, min(r / 24, 1), 1) for a, r in zip(*row, strict=True)]
        for row in zip(angle, length, strict=True)
    ]
    found = render(FlowField(uv), "hsv", scale=24).astype(int)
    assert np.abs(found - np.array(expected) * 255).max() <= 1.5
