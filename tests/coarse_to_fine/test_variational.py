from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from flowcli.coarse_to_fine import variational
from flowcli.coarse_to_fine.config import VARIATIONAL
from flowcli.coarse_to_fine.photometric import to_grey
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.model.features import stack_frames
from flowcli.runtime.threads import Workers
from flowcli.training.scene import make_scene

SMALLEST = VARIATIONAL.smallest


def refine(grey1: np.ndarray, grey2: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Refine one flow `(H, W, 2)` between grey frames `(H, W)`."""
    flow = torch.from_numpy(uv).permute(2, 0, 1)[None]
    first, second = (torch.from_numpy(grey)[None] for grey in (grey1, grey2))
    refined = refine_variational(first, second, flow)
    return refined[0].permute(1, 2, 0).numpy()


def test_a_flow_that_is_nearly_right_gets_better_and_better() -> None:
    scene = make_scene((96, 128), seed=15)
    greys = [to_grey(stack_frames([frame]))[0].numpy() for frame in (scene.frame1, scene.frame2)]
    nearly = scene.truth.uv + np.float32([0.5, -0.3])
    before = nearly.copy()
    errors = []
    flow = nearly
    for _ in range(2):
        flow = refine(greys[0], greys[1], flow)
        errors.append(np.linalg.norm(flow - scene.truth.uv, axis=2).mean())
    assert errors[1] < errors[0] < 0.9 * np.hypot(0.5, 0.3)
    np.testing.assert_array_equal(nearly, before)


def test_a_batch_is_its_pairs_one_by_one() -> None:
    generator = torch.Generator().manual_seed(5)
    frame1, frame2 = (torch.rand(2, 3, 20, 30, generator=generator) * 2 - 1 for _ in range(2))
    flow = torch.randn(2, 2, 20, 30, generator=generator)
    greys = to_grey(frame1), to_grey(frame2)
    whole = refine_variational(*greys, flow)
    for index in range(2):
        one = slice(index, index + 1)
        assert torch.equal(whole[one], refine_variational(greys[0][one], greys[1][one], flow[one]))
    assert torch.equal(refine_variational(*greys, flow, Workers(2)), whole)


def test_blocks_change_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene((400, 120), seed=3)
    greys = [to_grey(stack_frames([frame]))[0].numpy() for frame in (scene.frame1, scene.frame2)]
    noise = np.random.default_rng(0).normal(0, 0.7, scene.truth.uv.shape).astype(np.float32)
    monkeypatch.setattr(variational, "UNDIVIDED", 10**6)
    whole = refine(*greys, scene.truth.uv + noise)
    monkeypatch.setattr(variational, "BLOCK", 75)
    assert np.abs(refine(*greys, scene.truth.uv + noise) - whole).max() < 0.01
    assert np.abs(whole - scene.truth.uv - noise).max() > 1


def test_blocks_follow_the_motion_and_spare_what_moves_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene((400, 120), seed=3)
    grey1 = to_grey(stack_frames([scene.frame1]))[0].numpy()
    grey2 = np.roll(grey1, 150, axis=0)  # everything moves down by more than any block reaches
    uv = np.zeros((400, 120, 2), np.float32)
    uv[..., 1] = 150.4
    uv[200, 60] = 0, -900
    monkeypatch.setattr(variational, "UNDIVIDED", 10**6)
    whole = refine(grey1, grey2, uv)
    monkeypatch.setattr(variational, "BLOCK", 75)
    refined = refine(grey1, grey2, uv)
    assert np.array_equal(refined[200, 60], uv[200, 60])
    assert np.median(np.abs(whole - uv)[20:180, 10:-10, 1]) > 0.05
    assert np.median(np.abs(refined - whole)[20:180, 10:-10]) < 0.005


@pytest.mark.parametrize("axis", [0, 1])
def test_motion_that_jumps_at_a_seam_is_that_of_the_whole(axis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    fine = cv2.GaussianBlur(generator.normal(0, 1, (300, 300)).astype(np.float32), (0, 0), 2)
    grey1 = np.clip(fine / fine.std() * 40 + 128, 0, 255).astype(np.uint8)
    uv = np.zeros((300, 300, 2), np.float32)
    uv[(slice(150, None), slice(None))[:: 1 if axis == 0 else -1]][..., 1 - axis] = 40
    y, x = np.mgrid[:300, :300].astype(np.float32)
    grey2 = cv2.remap(grey1, x - uv[..., 0], y - uv[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    monkeypatch.setattr(variational, "UNDIVIDED", 10**6)
    whole = refine(grey1, grey2, uv + np.float32(0.3))
    monkeypatch.setattr(variational, "BLOCK", 150)
    refined = refine(grey1, grey2, uv + np.float32(0.3))
    assert np.abs(whole - uv - 0.3).max() > 0.2
    assert np.abs(refined - whole).max() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST - 1, 40), (SMALLEST, SMALLEST), (9, 200)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    grey = np.full(size, 90, np.uint8)
    refined = refine(grey, grey, np.ones((*size, 2), np.float32))
    assert refined.shape == (*size, 2)
    np.testing.assert_allclose(refined, 1, atol=1e-3)
