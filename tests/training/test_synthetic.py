from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from flowcli.coarse_to_fine.warp import pixel_grid, warp
from flowcli.training.motion import make_motion, to_frame1, to_frame2
from flowcli.training.synthetic import make_pairs, render_pairs
from flowcli.training.textures import (
    MAKERS,
    SIDE,
    cut_photo,
    make_bricks,
    make_grain,
    make_leaves,
    make_noise,
    make_plain,
    make_texture_bank,
)

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


@pytest.mark.parametrize("maker", dict.fromkeys(MAKERS), ids=lambda maker: maker.__name__)
def test_every_maker_fills_a_texture(maker: Callable[[np.random.Generator], np.ndarray]) -> None:
    for seed in range(3):
        texture = maker(np.random.default_rng(seed))
        assert texture.shape == (SIDE, SIDE, 3)
        assert texture.dtype == np.uint8
        assert len(np.unique(texture)) > 2


def test_textures_differ_in_what_they_are_there_for() -> None:
    def step(maker: Callable[[np.random.Generator], np.ndarray]) -> float:
        """Mean difference of neighbours, over the spread of the whole."""
        textures = [maker(np.random.default_rng(seed)).astype(float) for seed in range(6)]
        return float(np.median([np.abs(np.diff(t, axis=1)).mean() / t.std(axis=(0, 1)).mean() for t in textures]))

    plain = [make_plain(np.random.default_rng(seed)).astype(float) for seed in range(6)]
    assert max(np.abs(np.diff(texture, axis=1)).mean() for texture in plain) < 2.5  # levels of 255
    assert step(make_grain) > 2 * step(make_leaves)
    # Bricks repeat: some shift within a period of at most 70 texels fits far better than others.
    grey = make_bricks(np.random.default_rng(0)).mean(axis=2)
    shifts = [np.abs(grey[:, shift:] - grey[:, :-shift]).mean() for shift in range(3, 72)]
    assert min(shifts[3:]) < 0.6 * max(shifts)


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


def test_frame_2_warped_by_the_flow_is_frame_1_where_it_is_visible() -> None:
    # Smooth textures: what interpolation loses is then small, and every error left is one of flow or visibility.
    rng = np.random.default_rng(1)
    smooth = np.stack([cv2.GaussianBlur(make_noise(rng), (0, 0), 3).transpose(2, 0, 1) for _ in range(12)])
    pairs = render_pairs(torch.Generator().manual_seed(5), torch.from_numpy(smooth), 48, (48, 64), MARGIN, largest=8)
    warped, inside = warp(pairs.frame2, pairs.flow, pairs.frame1, (MARGIN, MARGIN))
    still, _ = warp(pairs.frame2, torch.zeros_like(pairs.flow), pairs.frame1, (MARGIN, MARGIN))
    assert inside[pairs.visible].all()
    # Pixels that are a mixture of two layers, beside an edge of the motion, have no one flow.
    edge = (F.max_pool2d(pairs.flow, 5, 1, 2) + F.max_pool2d(-pairs.flow, 5, 1, 2)).amax(1, keepdim=True) > 0.5
    seen = (pairs.visible & ~edge & ~_beside(~pairs.visible)).expand_as(warped)
    assert seen.float().mean() > 0.5
    error = (warped - pairs.frame1).abs()[seen]
    assert error.mean() < 0.002
    assert error.quantile(0.95) < 0.006  # the rest are bars of a pixel's width, which interpolation blurs
    assert (still - pairs.frame1).abs()[seen].mean() > 5 * error.mean()


def test_hidden_pixels_are_those_that_something_else_covers(bank: torch.Tensor) -> None:
    pairs = render_pairs(torch.Generator().manual_seed(8), bank, 48, (48, 64), 40, largest=8)
    warped, inside = warp(pairs.frame2, pairs.flow, pairs.frame1, (40, 40))
    hidden = ~pairs.visible & inside
    error = (warped - pairs.frame1).abs().mean(1, keepdim=True)
    assert 0.01 < hidden.float().mean() < 0.4
    assert error[hidden].mean() > 4 * error[pairs.visible].mean()


def test_a_frame_2_larger_than_frame_1_surrounds_it(bank: torch.Tensor) -> None:
    pairs = make_pairs(torch.Generator().manual_seed(5), bank, 12, (48, 64), MARGIN, largest=8)
    assert pairs.frame1.shape == (12, 3, 48, 64)
    assert pairs.frame2.shape == (12, 3, 48 + 2 * MARGIN, 64 + 2 * MARGIN)
    assert 0.5 < pairs.visible.float().mean() < 1
    for part in (pairs.frame1, pairs.frame2, pairs.flow):
        assert part.isfinite().all()


def test_motion_blur_softens_what_moves_and_leaves_the_flow(bank: torch.Tensor) -> None:
    sharp, blurred = (
        render_pairs(torch.Generator().manual_seed(6), bank, 16, (48, 64), MARGIN, largest=20, blurred=share)
        for share in (0.0, 1.0)
    )
    assert torch.equal(sharp.flow, blurred.flow)
    moved = (sharp.frame2 != blurred.frame2).flatten(1).any(1)
    assert 0.2 < moved.float().mean() < 1  # slow pairs stay sharp
    for before, after in ((sharp.frame1, blurred.frame1), (sharp.frame2, blurred.frame2)):
        assert torch.equal(before[~moved], after[~moved])
        assert _roughness(after[moved]) < 0.9 * _roughness(before[moved])
        assert (after - before).mean().abs() < 0.005


def _roughness(frames: torch.Tensor) -> torch.Tensor:
    return frames.diff(dim=3).abs().mean() + frames.diff(dim=2).abs().mean()


def _beside(mask: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(mask.float(), 5, 1, 2) > 0


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
