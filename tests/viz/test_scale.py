import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.viz import choose_scale, render
from flowcli.viz.scale import round_up


def make_field(length: float, height: int = 60, width: int = 80) -> FlowField:
    uv = np.zeros((height, width, 2), np.float32)
    uv[..., 0] = length
    return FlowField(uv)


def test_the_scale_is_a_little_above_the_motion():
    assert choose_scale(make_field(20)) == 22
    assert choose_scale(make_field(123)) == 140


def test_a_few_wild_pixels_do_not_count():
    uv = make_field(20).uv.copy()
    uv[0, :10] = 5000
    assert choose_scale(FlowField(uv)) == 22


def test_unknown_pixels_do_not_count():
    uv = make_field(20).uv.copy()
    uv[:40] = 900
    assert choose_scale(FlowField(uv, uv[..., 0] < 100)) == 22


def test_noise_at_rest_is_not_blown_up():
    assert choose_scale(make_field(0)) == 1
    assert choose_scale(make_field(0.02)) == 1
    assert choose_scale(FlowField(np.zeros((2, 2, 2), np.float32), np.zeros((2, 2), bool))) == 1


def test_a_large_field_is_sampled_and_gives_the_same():
    y = np.linspace(0, 30, 1200, dtype=np.float32)[:, None]
    small = FlowField(np.stack(np.broadcast_arrays(y[::4], np.zeros((1, 300), np.float32)), axis=-1))
    large = FlowField(np.stack(np.broadcast_arrays(y, np.zeros((1, 1200), np.float32)), axis=-1))
    assert choose_scale(large) == choose_scale(small) == 33


@pytest.mark.parametrize(
    ("value", "rounded"), [(1, 1), (1.01, 1.1), (1.2, 1.2), (9.91, 10), (99.5, 100), (1234, 1300), (0.0123, 0.013)]
)
def test_two_digits_upwards(value, rounded):
    assert round_up(value) == pytest.approx(rounded, rel=1e-12)
    assert f"{round_up(value):g}" == f"{rounded:g}"


def test_render_chooses_the_scale_of_the_field():
    field = make_field(20)
    np.testing.assert_array_equal(render(field), render(field, scale=22))
