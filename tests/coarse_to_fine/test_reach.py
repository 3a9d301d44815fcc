"""Motion that the match of the level cannot reach."""

from __future__ import annotations

import pytest
import torch
from textured_frames import textured_frame

from flowcli.coarse_to_fine.match import find_reach, match_frames
from flowcli.coarse_to_fine.median import median_filter
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.coarse_to_fine.reach import match_with_reach
from flowcli.runtime.threads import Workers

HEIGHT, WIDTH = 60, 100


def moved_by(u: int, v: int) -> Level:
    """Both directions of a pair whose frame 2 shows everything (u, v) pixels farther, with new scene at the border."""
    wide = textured_frame(HEIGHT + 2 * abs(v), WIDTH + 2 * abs(u))
    frame1 = wide[:, :, abs(v) : abs(v) + HEIGHT, abs(u) : abs(u) + WIDTH]
    frame2 = wide[:, :, abs(v) - v : abs(v) - v + HEIGHT, abs(u) - u : abs(u) - u + WIDTH]
    return Level(torch.cat((frame1, frame2)), torch.cat((frame2, frame1)))


@pytest.mark.parametrize(("u", "v"), [(5, -3), (25, 0), (-28, 6), (0, 20), (48, 3)])
def test_motion_is_found_within_and_beyond_the_reach_of_the_level(u: int, v: int) -> None:
    down, right = find_reach((HEIGHT, WIDTH))
    assert (abs(u) > right or abs(v) > down) == (max(abs(u), abs(v)) > 10)
    flow, agreed = match_with_reach(moved_by(u, v))
    for found, known, sign in zip(flow, agreed, (1, -1), strict=True):
        truth = torch.tensor([u, v])[:, None, None] * float(sign)
        error = (found - truth).norm(dim=0)[known[0]]
        # What frame 2 shows of the frame, less a border as wide as a window.
        visible = (WIDTH - abs(u)) * (HEIGHT - abs(v))
        assert known.sum() > 0.5 * visible
        assert error.median() < 1.0


def test_what_the_level_itself_sees_is_left_to_it() -> None:
    level = moved_by(4, 2)
    frame1, frame2 = level.frame1.chunk(2)
    alone = median_filter(torch.cat(match_frames(frame1, frame2, Workers(1))), 3)
    flow, _ = match_with_reach(level)
    assert (flow != alone).any(1).float().mean() < 0.03


def test_threads_and_directions_are_equal() -> None:
    level = moved_by(-30, 4)
    exchanged = Level(level.frame2, level.frame1, Workers(2))
    flow, agreed = match_with_reach(level)
    other_flow, other_agreed = match_with_reach(exchanged)
    assert torch.equal(flow, other_flow.flip(0)) and torch.equal(agreed, other_agreed.flip(0))
