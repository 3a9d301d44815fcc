from __future__ import annotations

import pytest
import torch
from device_forms import forms_of_a_gpu
from textured_frames import textured_frame
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import MATCH
from flowcli.coarse_to_fine.match import aggregate, match_costs, match_frames
from flowcli.runtime.threads import Workers


def noise_frame(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 2, width // 2, generator=generator) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def test_motion_of_a_fifth_of_the_frame_is_found_both_ways() -> None:
    frame1 = noise_frame(48, 64)
    frame2 = torch.roll(frame1, (-7, 9), dims=(2, 3))
    forward, backward = match_frames(frame1, frame2, Workers(1))
    assert forward.shape == backward.shape == (1, 2, 48, 64)
    inner = forward[0, :, 12:-12, 16:-16]
    truth = torch.tensor([9.0, -7.0])[:, None, None]
    assert (inner - truth).abs().amax() < 0.5
    assert (backward[0, :, 12:-12, 16:-16] + truth).abs().amax() < 0.5


def test_pairs_of_a_batch_are_matched_each_on_their_own() -> None:
    first, second = noise_frame(24, 32, 1), noise_frame(24, 32, 2)
    moved = (torch.roll(first, 3, dims=3), torch.roll(second, -4, dims=2))
    forward, _ = match_frames(torch.cat((first, second)), torch.cat(moved), Workers(1))
    alone, _ = match_frames(second, moved[1], Workers(1))
    torch.testing.assert_close(forward[1:], alone, rtol=0, atol=0)
    assert forward[0, 0].median().round() == 3
    assert forward[1, 1].median().round() == -4


def test_two_motions_keep_their_edge() -> None:
    frame1 = noise_frame(48, 64)
    frame2 = frame1.clone()
    frame2[..., 16:32, 26:46] = frame1[..., 16:32, 20:40]  # a square moves 6 px to the right over a still background
    forward, _ = match_frames(frame1, frame2, Workers(1))
    assert (forward[0, 0, 18:30, 22:38] - 6).abs().median() < 0.25
    assert forward[0, :, :12].abs().median() < 0.25
    assert forward[0, :, :, :16].abs().median() < 0.25


def test_a_frame_without_texture_gives_motion_within_reach() -> None:
    flat = torch.full((1, 3, 20, 30), 0.3)
    forward, backward = match_frames(flat, flat, Workers(1))
    assert forward.isfinite().all() and backward.isfinite().all()
    assert forward.abs().amax() <= 0.3 * 20


def test_costs_are_the_sums_of_clipped_differences() -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = (torch.randint(-300, 300, (3, 6, 7), generator=generator).short() for _ in range(2))
    (costs,) = match_costs(first[None], second[None], (1, 2))
    assert costs.shape == (6, 7, 3, 5) and costs.dtype == torch.int16

    def pixel(y: int, x: int, dy: int, dx: int) -> int:
        y, x = min(max(y, 0), 5), min(max(x, 0), 6)  # the border repeats in the sum over 3x3
        if not (0 <= y + dy < 6 and 0 <= x + dx < 7):
            return 3 * 64 // 2
        return int((first[:, y, x].int() - second[:, y + dy, x + dx].int()).abs().clamp(max=64).sum())

    for y, x, dy, dx in ((2, 3, 1, -2), (0, 0, -1, 0), (5, 6, 1, 2), (3, 0, 0, -1)):
        expected = sum(pixel(y + j, x + i, dy, dx) for j in (-1, 0, 1) for i in (-1, 0, 1))
        assert costs[y, x, dy + 1, dx + 2] == expected


def test_paths_follow_the_recurrence_of_semi_global_matching() -> None:
    """One row: the paths from above and below see each pixel alone, so the sum is checked against two plain loops."""
    generator = torch.Generator().manual_seed(7)
    costs = torch.randint(0, 1700, (1, 5, 3, 4), generator=generator).short()
    small, large = MATCH.step * MATCH.summed, MATCH.jump * MATCH.summed

    def path(order: list[int]) -> dict[int, Tensor]:
        found: dict[int, Tensor] = {}
        last: Tensor | None = None
        for x in order:
            here = costs[0, x].int()
            if last is not None:
                arriving = torch.empty_like(here)
                for dy in range(3):
                    for dx in range(4):
                        near = [(dy + j, dx + i) for j, i in ((0, 1), (0, -1), (1, 0), (-1, 0))]
                        steps = [int(last[p]) + small for p in near if 0 <= p[0] < 3 and 0 <= p[1] < 4]
                        least = int(last.min())
                        arriving[dy, dx] = min([int(last[dy, dx]), least + large, *steps]) - least
                here = here + arriving
            found[x] = last = here
        return found

    right, left = path([0, 1, 2, 3, 4]), path([4, 3, 2, 1, 0])
    expected = torch.stack([right[x] + left[x] + 2 * costs[0, x].int() for x in range(5)])
    assert torch.equal(aggregate(costs[None])[0, 0].int(), expected)


@pytest.mark.parametrize("size", [(24, 31), (33, 16)])
def test_a_gpu_matches_all_pairs_at_once_to_the_same_bits(size: tuple[int, int]) -> None:
    frame1 = torch.cat((textured_frame(*size), textured_frame(*size).flip(3)))
    frame2 = torch.roll(frame1, (2, -3), dims=(2, 3))
    host = match_frames(frame1, frame2, Workers(1))
    with forms_of_a_gpu():
        matched = match_frames(frame1, frame2, Workers(1))
    for flow, expected in zip(matched, host, strict=True):
        assert flow.shape == (2, 2, *size) and torch.equal(flow, expected)
    assert (matched[0][:, :, 5:-5, 5:-5] - torch.tensor([-3.0, 2.0]).view(1, 2, 1, 1)).abs().median() < 0.5
