from __future__ import annotations

import numpy as np
import pytest
import torch

from flowcli.coarse_to_fine import inpaint as filling
from flowcli.coarse_to_fine.inpaint import choose_cell, fill_flow, inpaint
from flowcli.runtime.threads import Workers


def affine_flow(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((3 + 0.02 * x - 0.03 * y, -1 + 0.01 * x + 0.04 * y), axis=-1).astype(np.float32)


def test_a_plane_is_continued_into_a_hole_and_over_the_border() -> None:
    truth = affine_flow(90, 130)
    trusted = np.ones((90, 130), np.bool_)
    trusted[30:50, 60:80] = False
    trusted[:, :15] = False
    spoiled = np.where(trusted[..., None], truth, 77).astype(np.float32)
    filled = fill_flow(spoiled, trusted)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[trusted], truth[trusted])
    error = np.linalg.norm(filled - truth, axis=-1)
    # The slopes are 0.022 and 0.05 px per pixel: the nearest trusted value is off by up to 0.5 px in the hole.
    assert error[30:50, 60:80].mean() < 0.1 and error[30:50, 60:80].max() < 0.25
    assert error[:, :15].mean() < 0.15


def test_values_outside_the_trusted_pixels_do_not_matter() -> None:
    truth = affine_flow(40, 56)
    trusted = np.ones((40, 56), np.bool_)
    trusted[10:20, 20:44] = False
    one, other = truth.copy(), truth.copy()
    one[~trusted], other[~trusted] = 1e6, -3
    np.testing.assert_array_equal(fill_flow(one, trusted), fill_flow(other, trusted))


def test_a_hole_at_an_edge_takes_the_motion_of_its_own_side_mostly() -> None:
    flow = np.zeros((64, 96, 2), np.float32)
    flow[:, 48:] = 10
    trusted = np.ones((64, 96), np.bool_)
    trusted[24:40, 8:20] = False
    filled = fill_flow(flow, trusted)
    assert np.abs(filled[24:40, 8:20]).max() < 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (4, 4), (41, 7), (65, 130)])
def test_any_size_with_one_trusted_pixel_is_constant(size: tuple[int, int]) -> None:
    uv = np.full((*size, 2), 50, np.float32)
    trusted = np.zeros(size, np.bool_)
    trusted[-1, -1] = True
    uv[-1, -1] = (2, -3)
    np.testing.assert_allclose(fill_flow(uv, trusted), np.broadcast_to((2, -3), (*size, 2)), atol=1e-4)


def test_without_any_or_with_only_trusted_pixels_nothing_changes() -> None:
    uv = affine_flow(9, 12)
    for value in (True, False):
        np.testing.assert_array_equal(fill_flow(uv, np.full((9, 12), value)), uv)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    uv, trusted = affine_flow(50, 37), np.ones((50, 37), np.bool_)
    trusted[11:30, 5:20] = trusted[40:] = False
    whole = fill_flow(uv, trusted)
    monkeypatch.setattr(filling, "STRIP_PIXELS", 300)
    np.testing.assert_allclose(fill_flow(uv, trusted), whole, rtol=0, atol=1e-5)


def test_large_frames_have_larger_cells_and_a_plane_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [choose_cell(*size) for size in ((1, 1), (2048, 2048), (2049, 2048), (4320, 7680))] == [4, 4, 8, 16]
    monkeypatch.setattr(filling, "MOST_CELLS", 100)
    truth = affine_flow(90, 130)
    trusted = np.ones((90, 130), np.bool_)
    trusted[:, :15] = trusted[30:50, 60:80] = False
    error = np.linalg.norm(fill_flow(truth, trusted) - truth, axis=-1)
    assert choose_cell(90, 130) == 16 and error.max() < 0.25


def test_a_batch_is_filled_item_by_item() -> None:
    uv = np.stack((affine_flow(20, 30), -affine_flow(20, 30)))
    trusted = np.ones((2, 20, 30), np.bool_)
    trusted[0, 5:9, 5:12] = False
    trusted[1, :, 25:] = False
    flow = torch.from_numpy(uv).permute(0, 3, 1, 2)
    filled = inpaint(flow.clone(), torch.from_numpy(trusted)[:, None], Workers(2))
    assert filled.shape == flow.shape
    for index in range(2):
        expected = fill_flow(uv[index], trusted[index])
        np.testing.assert_array_equal(filled[index].permute(1, 2, 0).numpy(), expected)


def test_the_flow_of_a_plane_goes_on_despite_noise() -> None:
    """A road that leaves the frame: its flow grows with the square of the row, and the estimate is off by 0.3 px."""
    y, x = np.mgrid[:200, :300]
    across, down = (x - 150) / 150, (y - 60) / 150
    truth = np.stack((20 * across * down, 20 * down * down), axis=-1).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3, truth.shape).astype(np.float32)
    trusted = (y < 165) & (x < 265)
    filled = fill_flow(truth + noise, trusted)
    error, motion = (np.linalg.norm(flow, axis=2)[~trusted].mean() for flow in (filled - truth, truth))
    assert error < 0.25 * motion
