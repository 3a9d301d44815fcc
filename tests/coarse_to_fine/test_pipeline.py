from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from textured_frames import difference, nothing, textured_frame
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine import schedule
from flowcli.coarse_to_fine.config import MATCH, PRESETS, Config
from flowcli.coarse_to_fine.fusion import Directions, exchange
from flowcli.coarse_to_fine.pipeline import estimate_flow
from flowcli.coarse_to_fine.residual import Residual
from flowcli.coarse_to_fine.schedule import level_sizes
from flowcli.model.features import normalise
from flowcli.runtime.threads import Workers

CONFIG = Config()
NETWORK_ALONE = Config(variational=False)


def test_a_perfect_residual_network_recovers_a_large_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MATCH", replace(MATCH, most_costs=0))  # nothing is matched
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

    (flow,) = estimate_flow(frame1, frame2, NETWORK_ALONE, oracle)
    inner = flow[..., 20:-20, 20:-20]
    torch.testing.assert_close(inner.mean((0, 2, 3)), torch.tensor([9.0, 5.0]), atol=0.05, rtol=0)
    assert calls == level_sizes((96, 128), CONFIG)[:-1]


def test_without_an_answer_the_match_carries_motion_that_no_pyramid_sees() -> None:
    generator = torch.Generator().manual_seed(3)
    scene = F.interpolate(torch.rand(1, 3, 49, 68, generator=generator) * 2 - 1, (196, 272))
    frame1, frame2 = scene[:, :, :180, 30:270], scene[:, :, 16:, :240]
    (flow,) = estimate_flow(frame1, frame2, NETWORK_ALONE, nothing)
    inner = flow[0, :, 40:-40, 40:-40]
    assert (inner - torch.tensor([30.0, -16.0])[:, None, None]).norm(dim=0).mean() < 1
    # What leaves the frame at the right goes on like the rest.
    assert (flow[0, 0, 40:-40, -20:] - 30).abs().mean() < 2


def test_the_gate_refuses_updates_that_explain_the_frames_worse() -> None:
    frame = textured_frame(64, 64)

    def wrong(first: Tensor, warped: Tensor) -> Tensor:
        return torch.full((len(first), 2, *first.shape[2:]), 1.5)

    (flow,) = estimate_flow(frame, frame, CONFIG, wrong)
    assert flow.abs().mean() < 0.05


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (12, 60), (40, 60)])
def test_the_network_is_asked_whatever_the_size(name: str, variational: bool, size: tuple[int, int]) -> None:
    calls = []

    def count(first: Tensor, warped: Tensor) -> Tensor:
        calls.append(first.shape)
        return torch.zeros(len(first), 2, *first.shape[2:])

    frame = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    (flow,) = estimate_flow(frame, frame, replace(PRESETS[name], variational=variational), count)
    assert flow.shape == (1, 2, *size)
    assert calls


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 9), (24, 40), (130, 70)])
def test_without_a_network_any_size_is_estimated(name: str, size: tuple[int, int]) -> None:
    frame = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    (flow,) = estimate_flow(frame, frame, PRESETS[name])
    assert flow.shape == (2, 2, *size) and flow.dtype == torch.float32
    assert flow.norm(dim=1).mean() < 0.05


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_without_a_network_a_translation_is_found(name: str) -> None:
    frame1 = textured_frame(120, 160)
    frame2 = torch.roll(frame1, (-3, 7), dims=(2, 3))
    (flow,) = estimate_flow(frame1, frame2, PRESETS[name])
    truth = torch.tensor([7.0, -3.0])[:, None, None]
    assert (flow[0, :, 20:-20, 20:-20] - truth).norm(dim=0).mean() < 0.25
    assert (flow[0] - truth).norm(dim=0).mean() < 0.5


def test_an_empty_surface_does_not_follow_the_noise() -> None:
    """Frames without texture whose compression differs: blocks of 8x8 pixels some levels apart."""
    generator = torch.Generator().manual_seed(2)
    blocks = torch.randn(2, 1, 24, 32, generator=generator) * 0.01
    frames = F.interpolate(blocks, scale_factor=8).expand(-1, 3, -1, -1)
    (flow,) = estimate_flow(frames[:1], frames[1:], Config(rounds=0), nothing)
    assert flow.norm(dim=1).mean() < 0.02


@pytest.mark.parametrize("variational", [False, True])
def test_frames_of_bytes_give_the_flow_of_float_frames(variational: bool) -> None:
    frame1 = torch.randint(0, 256, (2, 3, 9, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    frame1 = frame1.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    frame2 = torch.roll(frame1, (1, 3), dims=(2, 3))
    config = Config(variational=variational)
    (flow,) = estimate_flow(frame1, frame2, config, difference)
    (expected,) = estimate_flow(normalise(frame1), normalise(frame2), config, difference)
    assert flow.abs().mean() > 0.5
    # A gate or a rounded grey value may differ here and there.
    assert ((flow - expected).abs() > 1e-3).float().mean() < 0.01


def test_threads_change_nothing_and_inputs_stay() -> None:
    """Sizes at which every stage has several strips or blocks."""
    frame1 = textured_frame(300, 320)
    frame2 = torch.roll(frame1, (2, 3), dims=(2, 3))
    before = frame1.clone(), frame2.clone()

    def half(first: Tensor, warped: Tensor) -> Tensor:
        return difference(first, warped) * 0.5

    (one,), (two,) = (estimate_flow(frame1, frame2, CONFIG, half, workers=Workers(count)) for count in (1, 2))
    assert torch.equal(one, two)
    assert torch.equal(frame1, before[0]) and torch.equal(frame2, before[1])


def moving_pair(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A batch of two pairs of bytes, `(2, 3, H, W)` each; the motion of the lower half differs."""
    frame1 = ((textured_frame(*size) + 1) * 127.5).round().byte()
    frame2 = torch.roll(frame1, (1, 3), dims=(2, 3))
    frame2[:, :, size[0] // 2 :] = torch.roll(frame1, -2, dims=3)[:, :, size[0] // 2 :]
    return torch.cat((frame1, frame1.flip(3))), torch.cat((frame2, frame2.flip(2)))


@pytest.mark.parametrize("residual", [None, difference])
@pytest.mark.parametrize("with_initial", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (30, 45), (100, 132)])
@pytest.mark.slow
def test_both_directions_are_those_estimated_alone(
    size: tuple[int, int], with_initial: bool, residual: Residual | None
) -> None:
    frame1, frame2 = moving_pair(size)
    made: list[int] = []
    # At half the size, and wrong in places, so that the fusion takes some of either.
    half = (-(-size[0] // 2), -(-size[1] // 2))
    noise = torch.randn(2, 2, 2, *half, generator=torch.Generator().manual_seed(8))
    given = Directions(noise[0] + 1.5, noise[1] - 1.5)

    def initial(directions: Directions) -> Callable[[], Directions] | None:
        def make() -> Directions:
            made.append(1)
            return directions

        return make if with_initial else None

    forward, backward = estimate_flow(frame1, frame2, CONFIG, residual, initial(given), both=True)
    assert len(made) == with_initial  # once for both
    (alone,) = estimate_flow(frame1, frame2, CONFIG, residual, initial(given))
    (opposite,) = estimate_flow(frame2, frame1, CONFIG, residual, initial(exchange(given)))
    assert torch.equal(forward, alone) and torch.equal(backward, opposite)
    assert size == (1, 1) or not torch.equal(forward, backward)


def test_an_initial_flow_takes_part_and_is_not_changed() -> None:
    """Frames too low to be matched, and motion that only the initial flow knows."""
    frame1 = textured_frame(14, 300)
    frame2 = torch.roll(frame1, 90, dims=3)
    forward = torch.zeros(1, 2, 7, 150)
    forward[:, 0] = 45
    given = Directions(forward, -forward)
    (without,) = estimate_flow(frame1, frame2, CONFIG)
    (flow,) = estimate_flow(frame1, frame2, CONFIG, initial=lambda: given)
    truth = torch.tensor([90.0, 0.0])[:, None, None]
    errors = [(found[0] - truth).norm(dim=0)[:, 10:190].mean() for found in (without, flow)]
    assert errors[1] < 1 < errors[0]
    assert (given.forward[:, 0] == 45).all() and (given.backward[:, 0] == -45).all()
