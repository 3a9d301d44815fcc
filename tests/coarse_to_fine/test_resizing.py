from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from flowcli.coarse_to_fine.photometric import inconsistent
from flowcli.coarse_to_fine.resize import Pyramid, resize_flow, resize_flow_rows, resize_frames
from flowcli.methods import candidates as guess
from flowcli.methods.initial_flow import estimate_initial_flow
from flowcli.model.features import normalise


def test_resized_flow_is_in_pixels_of_the_new_size() -> None:
    flow = torch.ones(1, 2, 10, 20)
    resized = resize_flow(flow, (20, 60))
    assert resized.shape == (1, 2, 20, 60)
    torch.testing.assert_close(resized[:, 0], torch.full((1, 20, 60), 3.0))
    torch.testing.assert_close(resized[:, 1], torch.full((1, 20, 60), 2.0))


@pytest.mark.parametrize("size", [(31, 50), (13, 17), (5, 4), (13, 40), (1, 1)])
def test_rows_are_those_of_the_whole(size: tuple[int, int]) -> None:
    flow = torch.randn(2, 2, 13, 17, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([size[1] / 17, size[0] / 13]).view(1, 2, 1, 1)
    expected = F.interpolate(flow, size, mode="bilinear", align_corners=False) * scale
    torch.testing.assert_close(resize_flow(flow, size), expected, atol=1e-5, rtol=1e-5)
    for start in range(0, size[0], 4):
        rows = slice(start, min(size[0], start + 4))
        torch.testing.assert_close(resize_flow_rows(flow, size, rows), expected[:, :, rows], atol=1e-5, rtol=1e-5)


def test_directions_of_two_sizes_are_compared_in_the_forward_one_s_pixels() -> None:
    forward = torch.zeros(1, 2, 40, 60)
    forward[:, 0], forward[:, 1] = 6, -4
    backward = torch.zeros(1, 2, 20, 30)
    backward[:, 0], backward[:, 1] = -3, 2
    assert not inconsistent(forward, backward, height=40)[..., 4:, :54].any()
    assert not inconsistent(forward[:, :, 10:20], backward, top=10, height=40)[..., :54].any()
    assert inconsistent(forward, backward * 2, height=40).all()


def test_the_guess_for_large_frames_is_kept_at_half_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    frame1 = blocks.repeat(8, axis=0).repeat(8, axis=1)
    frame2 = np.roll(frame1, (2, 8), axis=(0, 1))
    whole = estimate_initial_flow([(frame1, frame2)], torch.device("cpu"))
    assert whole.forward.shape == (1, 2, 128, 192)
    for limit in ("KEPT_PIXELS", "SEEN_PIXELS"):
        monkeypatch.setattr(guess, limit, 128 * 192 - 1)
        halved = estimate_initial_flow([(frame1, frame2)], torch.device("cpu"))
        assert halved.forward.shape == halved.backward.shape == (1, 2, 64, 96)
        for flow, right, down in ((whole.forward, 8, 2), (halved.forward, 4, 1), (halved.backward, -4, -1)):
            assert flow[0, 0].median() == pytest.approx(right, abs=0.3)
            assert flow[0, 1].median() == pytest.approx(down, abs=0.3)


@pytest.mark.parametrize("size", [(90, 122), (77, 131), (1, 50)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_levels_from_halves_are_those_of_the_whole(size: tuple[int, int], kind: torch.dtype) -> None:
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    smooth = torch.stack((torch.sin(x / 40), torch.cos(y / 35), torch.sin((x + y) / 50)))[None]
    frames = ((smooth + 1) * 127.5).round().to(kind)
    frames = frames if kind == torch.uint8 else normalise(frames)
    sizes = [(max(1, size[0] // part), size[1] // part) for part in (9, 5, 3, 2, 1)]
    halves = Pyramid(frames, sizes[0])
    for level in sizes:
        found = halves.at(level)
        assert found.dtype == torch.float32 and found.shape == (1, 3, *level)
        torch.testing.assert_close(found, resize_frames(frames, level), atol=0.03, rtol=0)
    assert torch.equal(found, normalise(frames) if kind == torch.uint8 else frames)
