from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from flowcli.estimator.evidence import describe, local_error
from flowcli.estimator.pyramid import PyramidSettings, choose, estimate_coarse_to_fine, level_sizes, resize_flow
from flowcli.estimator.smoothing import median_filter

SETTINGS = PyramidSettings()


def textured_frame(height: int, width: int) -> Tensor:
    """A smooth pattern without repeats, `(1, 3, H, W)`."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def test_levels_shrink_to_the_smallest_side_and_end_at_full_size() -> None:
    sizes = level_sizes((436, 1024), SETTINGS)
    assert sizes[-1] == (436, 1024)
    assert min(sizes[0]) >= SETTINGS.smallest
    assert min(sizes[0]) * SETTINGS.factor < SETTINGS.smallest
    assert all(a < b for a, b in pairwise(sizes))
    assert level_sizes((1, 1), SETTINGS) == [(1, 1)]
    assert level_sizes((1, 4000), SETTINGS) == [(1, 4000)]


def test_resized_flow_is_in_pixels_of_the_new_size() -> None:
    flow = torch.ones(1, 2, 10, 20)
    resized = resize_flow(flow, (20, 60))
    assert resized.shape == (1, 2, 20, 60)
    assert (resized[:, 0] == 3).all()
    assert (resized[:, 1] == 2).all()


def test_the_median_removes_a_lonely_error_and_keeps_an_edge() -> None:
    flow = torch.zeros(2, 2, 12, 14)
    flow[..., 7:] = 5
    spoiled = flow.clone()
    spoiled[1, 0, 4, 3] = 99
    torch.testing.assert_close(median_filter(spoiled, 5), flow)
    assert spoiled[1, 0, 4, 3] == 99


def test_a_perfect_residual_network_recovers_a_large_translation() -> None:
    frame1 = textured_frame(96, 128)
    frame2 = torch.roll(frame1, (5, 9), dims=(2, 3))

    calls = []

    def oracle(first: Tensor, warped: Tensor) -> Tensor:
        """Know the truth of the first level only: 9 and 5 pixels, scaled to the level."""
        calls.append(first.shape[2:])
        answer = torch.zeros(1, 2, *first.shape[2:])
        if len(calls) == 1:
            answer[:, 0], answer[:, 1] = 9 * first.shape[3] / 128, 5 * first.shape[2] / 96
        return answer

    flow = estimate_coarse_to_fine(frame1, frame2, oracle, SETTINGS)
    inner = flow[..., 20:-20, 20:-20]
    torch.testing.assert_close(inner.mean((0, 2, 3)), torch.tensor([9.0, 5.0]), atol=0.05, rtol=0)
    assert len(calls) == SETTINGS.passes * len(level_sizes((96, 128), SETTINGS))


def test_the_gate_refuses_updates_that_explain_the_frames_worse() -> None:
    frame = textured_frame(64, 64)

    def wrong(first: Tensor, warped: Tensor) -> Tensor:
        return torch.full((1, 2, *first.shape[2:]), 1.5)

    flow = estimate_coarse_to_fine(frame, frame, wrong, SETTINGS)
    assert flow.abs().mean() < 0.05


def test_of_two_flows_the_one_that_explains_the_frames_is_chosen() -> None:
    frame1 = textured_frame(96, 112)
    frame2 = torch.roll(frame1, 3, dims=3)
    truth = torch.zeros(1, 2, 96, 112)
    truth[:, 0] = 3
    wrong = torch.zeros_like(truth)
    assert SETTINGS.choice_reach * 96 > 3
    for first, second in ((truth, wrong), (wrong, truth)):
        chosen = choose(frame1, frame2, first, second, SETTINGS)
        assert (chosen[..., 16:-16, 16:-16] == truth[..., 16:-16, 16:-16]).float().mean() > 0.95


def test_a_rival_far_away_or_without_evidence_is_not_chosen() -> None:
    frame = textured_frame(64, 80)
    still = torch.zeros(1, 2, 64, 80)
    outside = torch.full_like(still, 1000.0)
    far = torch.full_like(still, 20.0)
    moved = torch.roll(frame, (20, 20), dims=(2, 3))  # the rival is right, but too far to be believed
    assert torch.equal(choose(frame, moved, still, far, SETTINGS), still)
    near = SETTINGS.choice_reach * 64 - 1
    assert torch.equal(choose(frame, moved, outside, outside + near, SETTINGS), outside)


def test_local_error_counts_what_left_the_frame_as_badly_explained() -> None:
    described = describe(textured_frame(20, 20))
    inside = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    assert local_error(described, described, inside).max() == 0
    inside[..., 10:] = False
    error = local_error(described, described, inside)
    assert error[..., 0].max() == 0
    assert error[..., -1].min() == 0.5
