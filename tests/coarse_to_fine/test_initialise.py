from __future__ import annotations

import torch
from textured_frames import textured_frame

from flowcli.coarse_to_fine.initialise import match_level
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.runtime.threads import Workers


def both_ways(frame1: torch.Tensor, frame2: torch.Tensor, workers: Workers | None = None) -> Level:
    return Level(torch.cat((frame1, frame2)), torch.cat((frame2, frame1)), workers)


def test_a_translation_is_found_both_ways_and_goes_on_where_it_leaves_the_frame() -> None:
    frame1 = textured_frame(48, 64)
    frame2 = torch.roll(frame1, (-6, 8), dims=(2, 3))
    flow = match_level(both_ways(frame1, frame2)).flow
    assert flow.shape == (2, 2, 48, 64) and flow.dtype == torch.float32
    truth = torch.tensor([8.0, -6.0])[:, None, None]
    for found, expected in zip(flow, (truth, -truth), strict=True):
        # A look beyond the border cannot be confirmed: it is the surroundings' motion.
        assert (found - expected)[:, 12:-12, 12:-12].norm(dim=0).mean() < 0.5
        assert (found - expected).norm(dim=0).mean() < 1.5


def test_where_there_is_nothing_to_see_there_is_no_motion() -> None:
    flat = torch.full((1, 3, 40, 50), 0.3)
    assert not match_level(both_ways(flat, flat)).flow.any()
    frame = textured_frame(40, 50)
    assert match_level(both_ways(frame, frame)).flow.abs().max() < 0.3


def test_directions_and_threads_are_equal() -> None:
    frame1 = textured_frame(40, 52)
    frame2 = torch.roll(frame1, 3, dims=3)
    one = match_level(both_ways(frame1, frame2)).flow
    assert torch.equal(match_level(both_ways(frame1, frame2, Workers(2))).flow, one)
    assert torch.equal(match_level(both_ways(frame2, frame1)).flow, one.flip(0))
