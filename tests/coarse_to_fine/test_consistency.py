import numpy as np
import pytest

from flowcli.coarse_to_fine.consistency import find_occlusion
from flowcli.errors import InputError
from flowcli.flow import FlowField


def constant(u, v, height=20, width=30):
    return FlowField(np.full((height, width, 2), (u, v), np.float32))


def test_opposite_flows_agree_except_where_they_leave_the_frame():
    mask = find_occlusion(constant(4, -3), constant(-4, 3))
    expected = np.zeros((20, 30), bool)
    expected[:3] = True
    expected[:, -4:] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_published_threshold():
    # |f + b|^2 against 0.01 (|f|^2 + |b|^2) + 0.5 with f = (10, 0), b = (-10 + e, 0): the limit is e = 1.532...
    limit = (-0.2 + np.sqrt(0.04 + 4 * 0.99 * 2.5)) / (2 * 0.99)
    for error, hidden in ((limit - 0.01, False), (limit + 0.01, True)):
        mask = find_occlusion(constant(10, 0), constant(-10 + error, 0))
        assert (mask[:, :20] == hidden).all()


def test_a_square_that_moves_hides_what_it_covers():
    # The background rests, a square of 8 px moves 5 to the right: in frame 1, the 5 columns in front of it vanish.
    forward = np.zeros((20, 30, 2), np.float32)
    backward = np.zeros((20, 30, 2), np.float32)
    forward[6:14, 6:14, 0] = 5
    backward[6:14, 11:19, 0] = -5
    mask = find_occlusion(FlowField(forward), FlowField(backward))
    expected = np.zeros((20, 30), bool)
    expected[6:14, 14:19] = True
    np.testing.assert_array_equal(mask, expected)


def test_subpixel_targets_are_interpolated():
    x = np.arange(30, dtype=np.float32)
    backward = np.zeros((20, 30, 2), np.float32)
    backward[..., 0] = -x
    forward = np.zeros((20, 30, 2), np.float32)
    forward[..., 0] = 0.5
    # At x + 0.5 the backward flow is -(x + 0.5): the residual is x exactly.
    mask = find_occlusion(FlowField(forward), FlowField(backward), alpha=0, beta=6.25)
    assert not mask[:, :3].any()
    assert mask[:, 3:29].all()


def test_unknown_flow_at_either_end_has_no_partner():
    valid = np.ones((20, 30), bool)
    valid[3, 3] = False
    half = FlowField(np.zeros((20, 30, 2), np.float32), valid)
    assert find_occlusion(half, constant(0, 0)).sum() == 1
    assert find_occlusion(constant(0, 0), half)[3, 3]


def test_one_pixel_and_large_frames_in_bands(monkeypatch):
    from flowcli.coarse_to_fine import consistency

    assert not find_occlusion(constant(0, 0, 1, 1), constant(0, 0, 1, 1)).any()
    rng = np.random.default_rng(0)
    fields = [FlowField(rng.normal(0, 2, (20, 30, 2)).astype(np.float32)) for _ in range(2)]
    whole = find_occlusion(*fields)
    monkeypatch.setattr(consistency, "_BAND_PIXELS", 70)
    np.testing.assert_array_equal(find_occlusion(*fields), whole)
    assert 0 < whole.mean() < 1


def test_unequal_sizes_are_refused():
    with pytest.raises(InputError, match="two flows of equal size"):
        find_occlusion(constant(0, 0), constant(0, 0, 21, 30))
