from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import pytest
import torch
from torch import Tensor

from flowcli.coarse_to_fine import pipeline as pyramid
from flowcli.coarse_to_fine.gate import POLISH, SHARPEN, Level, Update, refine
from flowcli.coarse_to_fine.match import count_costs
from flowcli.coarse_to_fine.photometric import describe, photometric_cost, to_brightness
from flowcli.coarse_to_fine.pipeline import (
    Directions,
    PyramidSettings,
    choose,
    estimate_flow,
    find_matched_level,
    level_sizes,
    plan_updates,
)
from flowcli.coarse_to_fine.presets import PRESETS
from flowcli.coarse_to_fine.median import median_filter
from flowcli.model.features import normalise
from flowcli.runtime import strips as bands
from flowcli.runtime.threads import Workers

SETTINGS = PyramidSettings()
NETWORK_ALONE = PyramidSettings(polished=False)


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


def test_the_median_removes_a_lonely_error_and_keeps_an_edge() -> None:
    flow = torch.zeros(2, 2, 12, 14)
    flow[..., 7:] = 5
    spoiled = flow.clone()
    spoiled[1, 0, 4, 3] = 99
    torch.testing.assert_close(median_filter(spoiled, 5), flow)
    assert spoiled[1, 0, 4, 3] == 99


def test_a_perfect_residual_network_recovers_a_large_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid, "MOST_COSTS", 0)  # nothing is matched
    frame1 = textured_frame(96, 128)
    frame2 = torch.roll(frame1, (5, 9), dims=(2, 3))

    calls = []

    def oracle(first: Tensor, warped: Tensor) -> Tensor:
        """Know the truth of the first level only: 9 and 5 pixels, scaled to the level."""
        calls.append(first.shape[2:])
        answer = torch.zeros(len(first), 2, *first.shape[2:])
        if len(calls) == 1:
            answer[:, 0], answer[:, 1] = 9 * first.shape[3] / 128, 5 * first.shape[2] / 96
            answer[1] *= -1  # both directions are one batch
        return answer

    flow = estimate_flow(frame1, frame2, oracle, NETWORK_ALONE)
    inner = flow[..., 20:-20, 20:-20]
    torch.testing.assert_close(inner.mean((0, 2, 3)), torch.tensor([9.0, 5.0]), atol=0.05, rtol=0)
    assert calls == level_sizes((96, 128), SETTINGS)[:-1]


def test_without_a_network_the_match_carries_motion_that_no_pyramid_sees() -> None:
    generator = torch.Generator().manual_seed(3)
    frame1 = torch.nn.functional.interpolate(torch.rand(1, 3, 45, 60, generator=generator) * 2 - 1, (180, 240))
    frame2 = torch.roll(frame1, (-16, 30), dims=(2, 3))

    def nothing(first: Tensor, warped: Tensor) -> Tensor:
        return torch.zeros(len(first), 2, *first.shape[2:])

    flow = estimate_flow(frame1, frame2, nothing, NETWORK_ALONE)
    inner = flow[0, :, 40:-40, 40:-40]
    assert (inner - torch.tensor([30.0, -16.0])[:, None, None]).norm(dim=0).mean() < 1
    # What leaves the frame at the right goes on like the rest.
    assert (flow[0, 0, 40:-40, -20:] - 30).abs().mean() < 2


def test_the_gate_refuses_updates_that_explain_the_frames_worse() -> None:
    frame = textured_frame(64, 64)

    def wrong(first: Tensor, warped: Tensor) -> Tensor:
        return torch.full((len(first), 2, *first.shape[2:]), 1.5)

    flow = estimate_flow(frame, frame, wrong, SETTINGS)
    assert flow.abs().mean() < 0.05


def test_the_network_is_asked_after_the_polish_and_only_up_to_its_share() -> None:
    def nothing(first: Tensor, warped: Tensor) -> Tensor:
        raise AssertionError("only the plan is looked at")

    full = (436, 1024)
    settings = PyramidSettings(asked=0.25, finest=0.5)

    def names(size: tuple[int, int], settings: PyramidSettings, first: tuple[int, int] = (0, 0)) -> str:
        updates = plan_updates(size, first, full, nothing, settings)
        letters = {POLISH: "p", SHARPEN: "s"}
        return "".join(letters.get(update, "a") for update in updates)

    assert [names(size, settings) for size in level_sizes(full, settings)] == [
        "ppas"] * 5 + ["pps", "pps", "", ""
    ]  # fmt: skip
    fast = replace(settings, asked=0.0)
    assert names((51, 120), fast, first=(51, 120)) == "ppas"
    assert names((73, 172), fast, first=(51, 120)) == "pps"
    alone = replace(settings, polished=False)
    assert [names(size, alone) for size in level_sizes(full, settings)] == ["a"] * 7 + ["", ""]


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("polished", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (12, 60), (40, 60)])
def test_the_network_is_asked_whatever_the_size(name: str, polished: bool, size: tuple[int, int]) -> None:
    calls = []

    def count(first: Tensor, warped: Tensor) -> Tensor:
        calls.append(first.shape)
        return torch.zeros(len(first), 2, *first.shape[2:])

    frame = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    settings = replace(PRESETS[name].pyramid, polished=polished)
    assert estimate_flow(frame, frame, count, settings).shape == (1, 2, *size)
    assert calls


def test_an_empty_surface_does_not_follow_the_noise() -> None:
    """Frames without texture whose compression differs: blocks of 8x8 pixels some levels apart."""
    generator = torch.Generator().manual_seed(2)
    blocks = torch.randn(2, 1, 24, 32, generator=generator) * 0.01
    frames = torch.nn.functional.interpolate(blocks, scale_factor=8).expand(-1, 3, -1, -1)

    def nothing(first: Tensor, warped: Tensor) -> Tensor:
        return torch.zeros(len(first), 2, *first.shape[2:])

    flow = estimate_flow(frames[:1], frames[1:], nothing, PyramidSettings(finishes=0))
    assert flow.norm(dim=1).mean() < 0.02


def test_of_two_flows_the_one_that_explains_the_frames_is_chosen() -> None:
    frame1 = textured_frame(96, 112)
    frame2 = torch.roll(frame1, 3, dims=3)
    truth = torch.zeros(1, 2, 96, 112)
    truth[:, 0] = 3
    wrong = torch.zeros_like(truth)
    both = (Directions(flow, -flow) for flow in (truth, wrong))
    for first, second in permutations(both):
        chosen = choose(Level(frame1, frame2), [first, second], margin=0.8, window=15)
        assert (chosen[..., 16:-16, 16:-16] == truth[..., 16:-16, 16:-16]).float().mean() > 0.95


def test_a_rival_that_its_backward_flow_denies_is_not_chosen() -> None:
    frame = textured_frame(64, 80)
    moved = torch.roll(frame, 6, dims=3)
    still, right = torch.zeros(1, 2, 64, 80), torch.zeros(1, 2, 64, 80)
    right[:, 0] = 6
    flat = torch.zeros_like(frame)  # nothing to see: both explain the frames perfectly
    assert torch.equal(choose(Level(flat, flat), [Directions(still, still), Directions(right, -right)], 0.8, 15), still)
    # Leaving the frame needs more evidence than staying in it with a bad match.
    outside = torch.full_like(still, 1000.0)
    chosen = choose(Level(frame, moved), [Directions(right, -right), Directions(outside, -outside)], 0.8, 15)
    assert (chosen - right)[..., :70].abs().max() < 0.1
    denied = choose(Level(frame, frame), [Directions(still, still), Directions(right, right)], 0.8, 15)
    assert torch.equal(denied, still)


def test_photometric_cost_counts_what_left_the_frame_as_badly_explained() -> None:
    described = describe(to_brightness(textured_frame(20, 20)))
    inside = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    assert photometric_cost(described, described, inside).max() == 0
    inside[..., 10:] = False
    error = photometric_cost(described, described, inside)
    assert error[..., 0].max() == 0
    assert error[..., -1].min() == 0.5


def test_where_neither_flow_is_confirmed_the_surroundings_go_on() -> None:
    frame1 = textured_frame(96, 112)
    frame2 = torch.roll(frame1, 3, dims=3)
    flow = torch.zeros(1, 2, 96, 112)
    flow[:, 0] = 3
    spoiled = flow.clone()
    spoiled[..., 40:50, 50:60] = -9  # the backward flow does not lead back from there
    chosen = choose(Level(frame1, frame2), [Directions(spoiled, -flow)] * 2, margin=0.8, window=15)
    assert (chosen - flow)[..., :105].norm(dim=1).amax() < 0.1


def test_the_matched_level_is_neither_tiny_nor_costly() -> None:
    for size, expected in (((1080, 1920), (62, 111)), ((436, 1024), (51, 120)), ((20, 30), (20, 30))):
        assert find_matched_level(level_sizes(size, SETTINGS), SETTINGS) == expected
    for size in ((15, 4000), (24, 60_000), (1, 1)):
        assert find_matched_level(level_sizes(size, SETTINGS), SETTINGS) == (0, 0)
    long = find_matched_level(level_sizes((100, 5000), SETTINGS), SETTINGS)
    assert long != (0, 0) and count_costs(long) <= pyramid.MOST_COSTS


@pytest.mark.parametrize("polished", [False, True])
def test_frames_of_bytes_give_the_flow_of_float_frames(polished: bool) -> None:
    frame1 = torch.randint(0, 256, (2, 3, 9, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    frame1 = frame1.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    frame2 = torch.roll(frame1, (1, 3), dims=(2, 3))

    def some(first: Tensor, warped: Tensor) -> Tensor:
        return (first - warped)[:, :2]

    settings = PyramidSettings(polished=polished)
    flow = estimate_flow(frame1, frame2, some, settings)
    expected = estimate_flow(normalise(frame1), normalise(frame2), some, settings)
    assert flow.abs().mean() > 0.5
    # A gate or a rounded grey value may differ here and there.
    assert ((flow - expected).abs() > 1e-3).float().mean() < 0.01


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(9)
    frame1, frame2 = textured_frame(64, 48), torch.roll(textured_frame(64, 48), 2, dims=3)
    flows = [torch.randn(1, 2, 64, 48, generator=generator) * 2 for _ in range(4)]
    # One of them smaller than the frames.
    pairs = [Directions(flows[0], -flows[0]), Directions(flows[2][..., :40, :30], flows[3][..., :40, :30])]
    whole = choose(Level(frame1, frame2), pairs, margin=0.9, window=15)
    monkeypatch.setattr(bands, "STRIP_PIXELS", 48 * 7)
    torch.testing.assert_close(choose(Level(frame1, frame2), pairs, margin=0.9, window=15), whole, rtol=0, atol=1e-5)


def test_the_gate_in_bands_is_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    level = Level(textured_frame(64, 48), torch.roll(textured_frame(64, 48), 2, dims=3))
    flow = torch.randn(1, 2, 64, 48, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(flow.shape, generator=torch.Generator().manual_seed(10))
    updates = [Update(lambda level, flow: flow + noise), Update(lambda level, flow: flow * 0.7, factor=0.9)]
    whole = refine(level, flow.clone(), updates)
    assert 0.1 < (whole == flow).float().mean() < 0.9
    monkeypatch.setattr(bands, "STRIP_PIXELS", 48 * 7)
    banded = refine(level, flow.clone(), updates)
    assert (banded - whole).abs().gt(1e-5).float().mean() < 0.002  # where the gate hangs on a rounding


def test_threads_change_nothing_and_inputs_stay() -> None:
    """Sizes at which every stage has several bands or blocks."""
    frame1 = textured_frame(300, 320)
    frame2 = torch.roll(frame1, (2, 3), dims=(2, 3))
    before = frame1.clone(), frame2.clone()

    def nothing(first: Tensor, warped: Tensor) -> Tensor:
        return (first - warped)[:, :2] * 0.5

    one, two = (
        estimate_flow(frame1, frame2, nothing, PyramidSettings(), workers=Workers(count)) for count in (1, 2)
    )
    assert torch.equal(one, two)
    assert torch.equal(frame1, before[0]) and torch.equal(frame2, before[1])


def test_an_update_that_is_not_finite_does_not_pass_the_gate() -> None:
    level = Level(textured_frame(64, 48), textured_frame(64, 48))
    flow = torch.zeros(1, 2, 64, 48)

    def spoil(level: Level, flow: Tensor) -> Tensor:
        spoiled = flow.clone()
        spoiled[..., 20:30, 10:20] = torch.nan
        return spoiled

    assert torch.equal(refine(level, flow.clone(), [Update(spoil)]), flow)
