from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flowcli.coarse_to_fine import inpaint as inpainting
from flowcli.coarse_to_fine.config import INPAINT
from flowcli.coarse_to_fine.inpaint import choose_cell, inpaint
from flowcli.runtime.threads import Workers


def affine_flow(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((3 + 0.02 * x - 0.03 * y, -1 + 0.01 * x + 0.04 * y), axis=-1).astype(np.float32)


def inpaint_one(uv: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Inpaint a flow `(H, W, 2)` where `(H, W)` is False; a new array."""
    flow = torch.from_numpy(uv.copy()).permute(2, 0, 1)[None]
    return inpaint(flow, torch.from_numpy(known)[None, None])[0].permute(1, 2, 0).numpy()


def test_a_plane_is_continued_into_a_hole_and_over_the_border() -> None:
    truth = affine_flow(90, 130)
    known = np.ones((90, 130), np.bool_)
    known[30:50, 60:80] = False
    known[:, :15] = False
    spoiled = np.where(known[..., None], truth, 77).astype(np.float32)
    inpainted = inpaint_one(spoiled, known)
    assert inpainted.dtype == np.float32
    np.testing.assert_array_equal(inpainted[known], truth[known])
    error = np.linalg.norm(inpainted - truth, axis=-1)
    # The slopes are 0.022 and 0.05 px per pixel: the nearest known value is off by up to 0.5 px in the hole.
    assert error[30:50, 60:80].mean() < 0.1 and error[30:50, 60:80].max() < 0.25
    assert error[:, :15].mean() < 0.15


def test_values_outside_the_known_pixels_do_not_matter() -> None:
    truth = affine_flow(40, 56)
    known = np.ones((40, 56), np.bool_)
    known[10:20, 20:44] = False
    one, other = truth.copy(), truth.copy()
    one[~known], other[~known] = 1e6, -3
    np.testing.assert_array_equal(inpaint_one(one, known), inpaint_one(other, known))


def test_a_hole_at_an_edge_takes_the_motion_of_its_own_side_mostly() -> None:
    flow = np.zeros((64, 96, 2), np.float32)
    flow[:, 48:] = 10
    known = np.ones((64, 96), np.bool_)
    known[24:40, 8:20] = False
    inpainted = inpaint_one(flow, known)
    assert np.abs(inpainted[24:40, 8:20]).max() < 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (4, 4), (41, 7), (65, 130)])
def test_any_size_with_one_known_pixel_is_constant(size: tuple[int, int]) -> None:
    uv = np.full((*size, 2), 50, np.float32)
    known = np.zeros(size, np.bool_)
    known[-1, -1] = True
    uv[-1, -1] = (2, -3)
    np.testing.assert_allclose(inpaint_one(uv, known), np.broadcast_to((2, -3), (*size, 2)), atol=1e-4)


def test_without_any_or_with_only_known_pixels_nothing_changes() -> None:
    uv = affine_flow(9, 12)
    for value in (True, False):
        np.testing.assert_array_equal(inpaint_one(uv, np.full((9, 12), value)), uv)


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    uv, known = affine_flow(50, 37), np.ones((50, 37), np.bool_)
    known[11:30, 5:20] = known[40:] = False
    whole = inpaint_one(uv, known)
    monkeypatch.setattr(inpainting, "STRIP_PIXELS", 300)
    np.testing.assert_allclose(inpaint_one(uv, known), whole, rtol=0, atol=1e-5)


def test_large_frames_have_larger_cells_and_a_plane_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [choose_cell(*size) for size in ((1, 1), (2048, 2048), (2049, 2048), (4320, 7680))] == [4, 4, 8, 16]
    monkeypatch.setattr(inpainting, "INPAINT", replace(INPAINT, most_cells=100))
    truth = affine_flow(90, 130)
    known = np.ones((90, 130), np.bool_)
    known[:, :15] = known[30:50, 60:80] = False
    error = np.linalg.norm(inpaint_one(truth, known) - truth, axis=-1)
    assert choose_cell(90, 130) == 16 and error.max() < 0.25


def test_a_batch_is_inpainted_item_by_item() -> None:
    uv = np.stack((affine_flow(20, 30), -affine_flow(20, 30)))
    known = np.ones((2, 20, 30), np.bool_)
    known[0, 5:9, 5:12] = False
    known[1, :, 25:] = False
    flow = torch.from_numpy(uv).permute(0, 3, 1, 2)
    inpainted = inpaint(flow.clone(), torch.from_numpy(known)[:, None], Workers(2))
    assert inpainted.shape == flow.shape
    for index in range(2):
        expected = inpaint_one(uv[index], known[index])
        np.testing.assert_array_equal(inpainted[index].permute(1, 2, 0).numpy(), expected)


def test_the_flow_of_a_plane_goes_on_despite_noise() -> None:
    """A road that leaves the frame: its flow grows with the square of the row, and the estimate is off by 0.3 px."""
    y, x = np.mgrid[:200, :300]
    across, down = (x - 150) / 150, (y - 60) / 150
    truth = np.stack((20 * across * down, 20 * down * down), axis=-1).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3, truth.shape).astype(np.float32)
    known = (y < 165) & (x < 265)
    inpainted = inpaint_one(truth + noise, known)
    error, motion = (np.linalg.norm(flow, axis=2)[~known].mean() for flow in (inpainted - truth, truth))
    assert error < 0.25 * motion


def test_known_flow_on_a_cpu_is_not_copied() -> None:
    flow = torch.from_numpy(affine_flow(20, 30)).permute(2, 0, 1)[None].contiguous()
    known = torch.ones(1, 1, 20, 30, dtype=torch.bool)
    known[..., 5:9, 5:9] = False
    assert inpaint(flow, known).data_ptr() == flow.data_ptr()
