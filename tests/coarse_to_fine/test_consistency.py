from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
import torch

from flowcli.coarse_to_fine.consistency import find_confidence, find_consistent, find_occlusion, is_consistent
from flowcli.errors import InputError
from flowcli.flow import FlowField
from flowcli.runtime import strips
from flowcli.runtime.threads import Workers

Find: TypeAlias = Callable[[FlowField, FlowField], np.ndarray]


def constant(u: float, v: float, height: int = 20, width: int = 30) -> FlowField:
    return FlowField(np.full((height, width, 2), (u, v), np.float32))


def noise(spread: float, seed: int = 0) -> FlowField:
    return FlowField(np.random.default_rng(seed).normal(0, spread, (20, 30, 2)).astype(np.float32))


def test_opposite_flows_agree_except_where_they_leave_the_frame() -> None:
    mask = find_occlusion(constant(4, -3), constant(-4, 3))
    expected = np.zeros((20, 30), bool)
    expected[:3] = True
    expected[:, -4:] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_published_threshold() -> None:
    # |f + b|^2 against 0.01 (|f|^2 + |b|^2) + 0.5 with f = (10, 0), b = (-10 + e, 0): the limit is e = 1.532...
    limit = (-0.2 + np.sqrt(0.04 + 4 * 0.99 * 2.5)) / (2 * 0.99)
    for error, hidden in ((limit - 0.01, False), (limit + 0.01, True)):
        mask = find_occlusion(constant(10, 0), constant(-10 + error, 0))
        assert (mask[:, :20] == hidden).all()


def test_a_square_that_moves_hides_what_it_covers() -> None:
    # The background rests, a square of 8 px moves 5 to the right: in frame 1, the 5 columns in front of it vanish.
    forward = np.zeros((20, 30, 2), np.float32)
    backward = np.zeros((20, 30, 2), np.float32)
    forward[6:14, 6:14, 0] = 5
    backward[6:14, 11:19, 0] = -5
    mask = find_occlusion(FlowField(forward), FlowField(backward))
    expected = np.zeros((20, 30), bool)
    expected[6:14, 14:19] = True
    np.testing.assert_array_equal(mask, expected)


def test_subpixel_targets_are_interpolated() -> None:
    x = np.arange(30, dtype=np.float32)
    backward = np.zeros((20, 30, 2), np.float32)
    backward[..., 0] = -x
    forward = np.zeros((20, 30, 2), np.float32)
    forward[..., 0] = 0.5
    # At x + 0.5 the backward flow is -(x + 0.5): the residual is x exactly.
    mask = find_occlusion(FlowField(forward), FlowField(backward), alpha=0, beta=6.25)
    assert not mask[:, :3].any()
    assert mask[:, 3:29].all()


def test_unknown_flow_at_either_end_has_no_partner() -> None:
    valid = np.ones((20, 30), bool)
    valid[3, 3] = False
    half = FlowField(np.zeros((20, 30, 2), np.float32), valid)
    assert find_occlusion(half, constant(0, 0)).sum() == 1
    assert find_occlusion(constant(0, 0), half)[3, 3]


@pytest.mark.parametrize("find", [find_occlusion, find_confidence])
def test_one_pixel_and_large_frames_in_strips(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(constant(0, 0, 1, 1), constant(0, 0, 1, 1)).tolist() == [[find is find_confidence]]
    fields = noise(2), noise(2, seed=1)
    whole = find(*fields)
    monkeypatch.setattr(strips, "STRIP_PIXELS", 70)
    np.testing.assert_array_equal(find(*fields), whole)
    assert 0 < whole.mean() < 1


@pytest.mark.parametrize("find", [find_occlusion, find_confidence])
def test_unequal_sizes_are_refused(find: Find) -> None:
    with pytest.raises(InputError, match="two flows of equal size"):
        find(constant(0, 0), constant(0, 0, 21, 30))


@pytest.mark.parametrize("spread", [0.3, 2, 30])
def test_confidence_is_a_half_where_the_check_decides(spread: float) -> None:
    valid = np.random.default_rng(5).random((20, 30)) < 0.9
    forward, backward = FlowField(noise(spread).uv, valid), FlowField(noise(spread, seed=1).uv, valid[::-1].copy())
    confidence, occluded = find_confidence(forward, backward), find_occlusion(forward, backward)
    assert confidence.dtype == np.float32 and confidence.shape == (20, 30)
    assert confidence.min() >= 0 and confidence.max() <= 1
    assert (confidence[occluded] <= 0.5 + 1e-6).all() and (confidence[~occluded] >= 0.5 - 1e-6).all()
    assert (confidence[~valid] == 0).all() and occluded[~valid].all()


def test_confidence_is_one_where_the_directions_meet_and_none_outside() -> None:
    confidence = find_confidence(constant(4, -3), constant(-4, 3))
    assert (confidence[3:, :-4] == 1).all()
    assert not confidence[:3].any() and not confidence[:, -4:].any()
    # |f + b|^2 = 1 against 0.01 (4^2 + 3^2) + 0.5.
    found = find_confidence(constant(4, 0), constant(-3, 0))[:, :20]
    np.testing.assert_allclose(found, 0.75 / 1.75, rtol=1e-5)


def test_halves_of_a_batch_are_checked_against_each_other() -> None:
    forward, backward = (torch.tensor(field.uv).permute(2, 0, 1)[None] for field in (noise(1), noise(1, seed=1)))
    flow = torch.cat((forward, forward.flip(3), backward, backward.flip(2)))
    found = find_consistent(flow, Workers(2))
    for index in range(4):
        assert torch.equal(found[index], is_consistent(flow[index, None], flow[index - 2, None])[0])
    assert 0 < found.float().mean() < 1


def test_directions_of_two_sizes_are_compared_in_the_forward_one_s_pixels() -> None:
    forward = torch.zeros(1, 2, 40, 60)
    forward[:, 0], forward[:, 1] = 6, -4
    backward = torch.zeros(1, 2, 20, 30)
    backward[:, 0], backward[:, 1] = -3, 2
    assert is_consistent(forward, backward, height=40)[..., 4:, :54].all()
    assert is_consistent(forward[:, :, 10:20], backward, top=10, height=40)[..., :54].all()
    assert not is_consistent(forward, backward * 2, height=40).any()
