from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from device_forms import forms_of_a_gpu
from torch import Tensor

from flowcli.coarse_to_fine import median
from flowcli.coarse_to_fine.config import WEIGHTED_MEDIAN
from flowcli.coarse_to_fine.median import find_motion_edges, median_filter, weighted_median
from flowcli.model.features import stack_frames
from flowcli.runtime.threads import Workers
from flowcli.training.scene import make_scene


def two_surfaces() -> tuple[Tensor, Tensor]:
    """A frame `(1, 3, 40, 60)` with a dark and a bright half, and flow whose edge between them is a ramp."""
    frame = torch.full((1, 3, 40, 60), -0.6)
    frame[..., 30:] = 0.6
    flow = torch.zeros(1, 2, 40, 60)
    flow[:, 0] = ((torch.arange(60) - 26) / 8).clamp(0, 1) * 6
    return frame, flow


def test_the_median_removes_a_lonely_error_and_keeps_an_edge() -> None:
    flow = torch.zeros(2, 2, 12, 14)
    flow[..., 7:] = 5
    spoiled = flow.clone()
    spoiled[1, 0, 4, 3] = 99
    torch.testing.assert_close(median_filter(spoiled, 5), flow)
    assert spoiled[1, 0, 4, 3] == 99


def test_a_rounded_edge_follows_the_edge_of_the_picture() -> None:
    frame, flow = two_surfaces()
    before = flow.clone()
    truth = torch.where(torch.arange(60) < 30, 0.0, 6.0)
    sharp = flow
    for _ in range(3):
        sharp = weighted_median(sharp.clone(), frame, Workers(1))
    error, rounded = ((x[0, 0] - truth).abs()[:, 20:40].mean() for x in (sharp, flow))
    assert error < 0.35 * rounded
    assert torch.equal(flow, before)


def test_flow_without_edges_stays_as_it_is() -> None:
    frame, _ = two_surfaces()
    ramp = (torch.arange(60) * 0.3).expand(1, 2, 40, 60).contiguous()
    assert torch.equal(weighted_median(ramp.clone(), frame, Workers(1)), ramp)


def test_a_median_of_equal_colours_is_the_plain_one() -> None:
    generator = torch.Generator().manual_seed(4)
    flow = torch.randn(1, 2, 30, 30, generator=generator) * 5
    frame = torch.zeros(1, 3, 30, 30)
    sharp = weighted_median(flow.clone(), frame, Workers(1))
    # With a wide weight of distance all 25 neighbours count alike.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(median, "WEIGHTED_MEDIAN", replace(WEIGHTED_MEDIAN, distance=1e6))
        plain = weighted_median(flow.clone(), frame, Workers(1))
    neighbours = flow[0, 1, 9:22:3, 9:22:3]
    assert plain[0, 1, 15, 15] == neighbours.flatten().median()
    assert not torch.equal(sharp, plain)


def test_edges_are_found_on_both_sides_and_nowhere_else() -> None:
    flow = torch.zeros(2, 2, 30, 40)
    flow[1, 1, :, 20:] = 1
    found = find_motion_edges(flow)
    assert not found[0].any()
    columns = found[1, 0].all(dim=0).nonzero()[:, 0].tolist()
    assert columns == list(range(19 - WEIGHTED_MEDIAN.reach, 21 + WEIGHTED_MEDIAN.reach))
    assert found[1].sum() == 30 * len(columns)


def test_parts_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(6)
    flow, frame = torch.randn(2, 2, 25, 33, generator=generator), torch.rand(2, 3, 25, 33, generator=generator)
    whole = weighted_median(flow.clone(), frame, Workers(1))
    monkeypatch.setattr(median, "PIXELS", 37)
    assert torch.equal(weighted_median(flow.clone(), frame, Workers(2)), whole)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    flow = torch.arange(2.0 * size[0] * size[1]).view(1, 2, *size)
    assert weighted_median(flow, torch.zeros(1, 3, *size), Workers(1)).isfinite().all()


@pytest.mark.parametrize("size", [3, 5])
def test_the_plain_median_of_a_gpu_is_opencvs(size: int) -> None:
    flow = torch.randn(2, 2, 23, 31, generator=torch.Generator().manual_seed(size))
    with forms_of_a_gpu():
        filtered = median_filter(flow, size)
    assert torch.equal(filtered, median_filter(flow, size))


def test_the_weighted_median_of_a_gpu_is_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene((90, 130), seed=4)
    frame = stack_frames([scene.frame1, scene.frame2])
    flow = torch.tensor(scene.truth.uv).permute(2, 0, 1).repeat(2, 1, 1, 1)
    flow += torch.randn(flow.shape, generator=torch.Generator().manual_seed(2))
    host = weighted_median(flow.clone(), frame, Workers(1))
    monkeypatch.setattr(median, "DEVICE_PIXELS", 1000)
    with forms_of_a_gpu():
        filtered = weighted_median(flow.clone(), frame, Workers(1))
    # Where the masses on both sides are equal to a rounding the next value may be taken.
    assert (filtered - host).abs().mean() < 1e-4
    assert (host - flow).abs().mean() > 0.1
