from __future__ import annotations

import numpy as np
import pytest
import torch

from flowcli.estimator.warp import pixel_grid, warp
from flowcli.training.motion import make_motion, to_frame1, to_frame2
from flowcli.training.synthetic import make_pairs
from flowcli.training.textures import SIDE, cut_photo, make_texture_bank

MARGIN = 20


@pytest.fixture(scope="module")
def bank() -> torch.Tensor:
    return torch.from_numpy(make_texture_bank(np.random.default_rng(0), count=12))


def test_a_texture_bank_is_fixed_by_its_seed(bank: torch.Tensor) -> None:
    again = make_texture_bank(np.random.default_rng(0), count=12)
    other = make_texture_bank(np.random.default_rng(1), count=12)
    assert again.shape == (12, 3, SIDE, SIDE)
    assert (again == bank.numpy()).all()
    assert (other != again).any()
    assert (again.reshape(12, -1).std(axis=1) > 1).all()  # no empty texture


@pytest.mark.parametrize("size", [(40, 30), (300, 200), (1000, 1200)])
def test_photos_of_any_size_become_textures(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    photo = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    texture = cut_photo(rng, photo)
    assert texture.shape == (SIDE, SIDE, 3)
    assert texture.dtype == np.uint8


def test_motion_there_and_back_is_the_identity() -> None:
    generator = torch.Generator().manual_seed(4)
    motion = make_motion(generator, 6, 5, largest=14, radius=40)
    grid = pixel_grid(48, 64)[0] - 30
    x, y = (axis.expand(6, 5, -1, -1) for axis in grid)
    x2, y2 = to_frame2(motion.forward, motion.waves, x, y)
    back_x, back_y = to_frame1(motion, x2, y2)
    distance = torch.hypot(back_x - x, back_y - y)
    assert distance.max() < 5e-3
    assert torch.hypot(x2 - x, y2 - y).max() > 5  # and something moved


def test_visible_pixels_of_frame_2_look_like_frame_1(bank: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(5)
    pairs = make_pairs(generator, bank, 12, (48, 64), MARGIN, largest=8)
    assert pairs.frame1.shape == (12, 3, 48, 64)
    assert pairs.frame2.shape == (12, 3, 48 + 2 * MARGIN, 64 + 2 * MARGIN)
    warped, inside = warp(pairs.frame2, pairs.flow, pairs.frame1, (MARGIN, MARGIN))
    still, _ = warp(pairs.frame2, torch.zeros_like(pairs.flow), pairs.frame1, (MARGIN, MARGIN))
    seen = (pairs.visible & inside).expand_as(warped)
    # Light and noise differ between the frames; what is left after removing each pair's mean change is small.
    error = (warped - pairs.frame1)[seen].std()
    unmoved = (still - pairs.frame1)[seen].std()
    assert error < 0.6 * unmoved
    assert 0.5 < pairs.visible.float().mean() < 1


def test_pairs_are_fixed_by_the_seed(bank: torch.Tensor) -> None:
    first, again, other = (
        make_pairs(torch.Generator().manual_seed(seed), bank, 2, (16, 24), 4, largest=3) for seed in (7, 7, 8)
    )
    assert torch.equal(first.frame1, again.frame1)
    assert torch.equal(first.flow, again.flow)
    assert not torch.equal(first.frame1, other.frame1)
    for frame in (first.frame1, first.frame2):
        values = (frame + 1) * 127.5
        torch.testing.assert_close(values, values.round(), atol=1e-3, rtol=0)  # 8 bits
        assert values.min() > -0.01
        assert values.max() < 255.01
