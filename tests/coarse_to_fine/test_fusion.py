from __future__ import annotations

from itertools import permutations

import pytest
import torch
from textured_frames import constant_flow, textured_frame

from flowcli.coarse_to_fine.fusion import Directions, exchange, fuse
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.runtime import strips


def test_of_two_flows_the_one_that_explains_the_frames_is_kept() -> None:
    frame1 = textured_frame(96, 112)
    frame2 = torch.roll(frame1, 3, dims=3)
    truth = constant_flow(3, 0, 96, 112)
    wrong = torch.zeros_like(truth)
    both = (Directions(flow, -flow) for flow in (truth, wrong))
    for first, second in permutations(both):
        fused = fuse(Level(frame1, frame2), [first, second], margin=0.8, window=15)
        assert (fused[..., 16:-16, 16:-16] == truth[..., 16:-16, 16:-16]).float().mean() > 0.95


def test_a_candidate_that_its_backward_flow_denies_is_not_taken() -> None:
    frame = textured_frame(64, 80)
    moved = torch.roll(frame, 6, dims=3)
    still, right = torch.zeros(1, 2, 64, 80), constant_flow(6, 0, 64, 80)
    flat = torch.zeros_like(frame)  # nothing to see: both explain the frames perfectly
    assert torch.equal(fuse(Level(flat, flat), [Directions(still, still), Directions(right, -right)], 0.8, 15), still)
    # Leaving the frame needs more evidence than staying in it with a bad match.
    outside = torch.full_like(still, 1000.0)
    fused = fuse(Level(frame, moved), [Directions(right, -right), Directions(outside, -outside)], 0.8, 15)
    assert (fused - right)[..., :70].abs().max() < 0.1
    denied = fuse(Level(frame, frame), [Directions(still, still), Directions(right, right)], 0.8, 15)
    assert torch.equal(denied, still)


@pytest.mark.parametrize("count", [1, 2])
def test_where_no_candidate_is_confirmed_the_surroundings_go_on(count: int) -> None:
    frame1 = textured_frame(96, 112)
    frame2 = torch.roll(frame1, 3, dims=3)
    flow = constant_flow(3, 0, 96, 112)
    spoiled = flow.clone()
    spoiled[..., 40:50, 50:60] = -9  # the backward flow does not lead back from there
    fused = fuse(Level(frame1, frame2), [Directions(spoiled, -flow)] * count, margin=0.8, window=15)
    assert (fused - flow)[..., :105].norm(dim=1).amax() < 0.1
    assert spoiled[0, 0, 45, 55] == -9


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(9)
    frame1, frame2 = textured_frame(64, 48), torch.roll(textured_frame(64, 48), 2, dims=3)
    flows = [torch.randn(1, 2, 64, 48, generator=generator) * 2 for _ in range(4)]
    # One of them smaller than the frames.
    pairs = [Directions(flows[0], -flows[0]), Directions(flows[2][..., :40, :30], flows[3][..., :40, :30])]
    whole = fuse(Level(frame1, frame2), pairs, margin=0.9, window=15)
    monkeypatch.setattr(strips, "STRIP_PIXELS", 48 * 7)
    torch.testing.assert_close(fuse(Level(frame1, frame2), pairs, margin=0.9, window=15), whole, rtol=0, atol=1e-5)


def test_directions_are_exchanged() -> None:
    forward, backward = constant_flow(1, 0, 2, 3), constant_flow(0, 1, 2, 3)
    assert exchange(Directions(forward, backward)) == (backward, forward)
