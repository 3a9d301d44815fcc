from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from flowcli.coarse_to_fine.resize import halve_frames, resize_flow, resize_flow_rows, resize_frames
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


@pytest.mark.parametrize("eight_bit", [False, True])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_frames_shrink_to_averages(kind: torch.dtype, eight_bit: bool) -> None:
    stripes = torch.zeros(2, 3, 12, 16, dtype=torch.uint8)
    stripes[..., ::2] = 200
    frames = stripes if kind == torch.uint8 else normalise(stripes)
    small = resize_frames(frames, (3, 4), eight_bit)
    assert small.shape == (2, 3, 3, 4) and small.dtype == (torch.uint8 if eight_bit else torch.float32)
    grey = small.float() if eight_bit else (small + 1) * 127.5
    assert (grey - 100).abs().max() < 15
    assert resize_frames(frames, (12, 16), kind == torch.uint8) is frames


def test_halves_are_means_of_four_pixels() -> None:
    frames = torch.randint(0, 256, (1, 3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    halved = halve_frames(frames, (3, 4))
    expected = normalise(frames).unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    torch.testing.assert_close(halved, expected, atol=1e-5, rtol=0)
