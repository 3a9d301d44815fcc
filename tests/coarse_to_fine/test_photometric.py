from __future__ import annotations

import pytest
import torch
from textured_frames import textured_frame
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import PHOTOMETRIC
from flowcli.coarse_to_fine.photometric import box_mean, describe, photometric_cost, to_brightness, to_grey


def test_the_cost_counts_what_left_the_frame_as_badly_explained() -> None:
    described = describe(to_brightness(textured_frame(20, 20)))
    inside = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    assert photometric_cost(described, described, inside).max() == 0
    inside[..., 10:] = False
    cost = photometric_cost(described, described, inside)
    assert cost[..., 0].max() == 0
    assert cost[..., -1].min() == PHOTOMETRIC.clip == 0.5


def test_what_is_not_confirmed_counts_something_even_if_it_looks_right() -> None:
    described = describe(to_brightness(textured_frame(20, 20)))
    inside, consistent = (torch.ones(1, 1, 20, 20, dtype=torch.bool) for _ in range(2))
    consistent[..., 10:] = False
    inside[..., 18:] = False
    cost = photometric_cost(described, described, inside, 1, outside=0.1, consistent=consistent)
    expected = torch.tensor([0.0] * 10 + [PHOTOMETRIC.inconsistent] * 8 + [0.1] * 2).expand(1, 1, 20, 20)
    torch.testing.assert_close(cost, expected)


def test_differences_are_clipped_channel_by_channel() -> None:
    one, other = torch.zeros(1, 3, 4, 5), torch.tensor([0.2, -7.0, 0.4]).view(1, 3, 1, 1).expand(1, 3, 4, 5)
    cost = photometric_cost(one, other, torch.ones(1, 1, 4, 5, dtype=torch.bool))
    torch.testing.assert_close(cost, torch.full((1, 1, 4, 5), 0.2 + PHOTOMETRIC.clip + 0.4))


def test_a_description_is_brightness_and_its_weighted_slopes() -> None:
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    described = describe((0.01 * x - 0.03 * y)[None, None])
    assert described.shape == (1, 3, 6, 7)
    inner = described[0, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner[1], torch.full_like(inner[1], 0.01 * PHOTOMETRIC.gradient_weight))
    torch.testing.assert_close(inner[2], torch.full_like(inner[2], -0.03 * PHOTOMETRIC.gradient_weight))


@pytest.mark.parametrize("window", [1, 5, 9, 15])
@pytest.mark.parametrize("size", [(1, 1), (3, 20), (30, 41)])
def test_a_box_counts_only_what_is_inside_the_frame(size: tuple[int, int], window: int) -> None:
    values = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.avg_pool2d(values, window, 1, window // 2, count_include_pad=False)
    torch.testing.assert_close(box_mean(values, window), expected, atol=1e-6, rtol=1e-5)


def test_brightness_is_the_mean_of_the_colours_of_bytes_and_floats() -> None:
    frames = torch.randint(0, 256, (2, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = (frames.float() / 127.5 - 1).mean(dim=1, keepdim=True)
    torch.testing.assert_close(to_brightness(frames), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(to_brightness(frames.float() / 127.5 - 1), expected, atol=1e-6, rtol=0)


def test_grey_is_in_8_bits_and_weighs_colours_as_video_does() -> None:
    frames = torch.stack([torch.full((3, 2, 2), value) for value in (-1.0, 0.0, 1.0)])
    frames[1, 1:] = -1  # half red
    assert to_grey(frames)[:, 0, 0].tolist() == [0, 38, 255]
    of_bytes = to_grey(((frames + 1) * 127.5).byte())
    assert of_bytes.dtype == torch.uint8 and of_bytes[:, 0, 0].tolist() == [0, 38, 255]
