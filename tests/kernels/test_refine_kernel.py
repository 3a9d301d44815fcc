"""The compiled variational refinement is OpenCV's: every level of this processor, blocks, borders, threads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from flowcli.coarse_to_fine import variational
from flowcli.coarse_to_fine.batched import variational as batched
from flowcli.coarse_to_fine.photometric import to_grey
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.kernels.library import Library
from flowcli.model.features import stack_frames
from flowcli.runtime.threads import Workers
from flowcli.training.scene import make_scene

pytestmark = pytest.mark.slow  # the first test of a process waits for the compiler

# Whole and half vectors of a colour, a pixel more, the smallest frame, and blocks in both directions.
SIZES = [(8, 8), (9, 64), (33, 65), (121, 163), (260, 90), (40, 530)]


@pytest.fixture(scope="module")
def libraries(compiled: dict[str, Path]) -> dict[str, Library]:
    return {name: Library(path, name) for name, path in compiled.items()}


def make_case(size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grey frames `(1, H, W)` and a flow that is off by some tenths of a pixel, some of it leaving the frame."""
    scene = make_scene(size, seed)
    noise = np.random.default_rng(seed).normal(0, 0.5, scene.truth.uv.shape).astype(np.float32)
    off = torch.from_numpy(np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.float32)) * 4
    grey1, grey2 = (to_grey(stack_frames([frame])) for frame in (scene.frame1, scene.frame2))
    return grey1, grey2, (torch.tensor(scene.truth.uv) + off).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_the_plain_refinement(size: tuple[int, int], libraries: dict[str, Library]) -> None:
    frame1, frame2, flow = make_case(size, 3)
    before = flow.clone()
    # Torch's form warps as exactly as ours, whichever OpenCV there is; blocks are the host's.
    whole = batched.refine(frame1, frame2, flow)
    plain = refine_variational(frame1, frame2, flow)
    assert (plain - flow).abs().mean() > 0.03
    for library in libraries.values():
        refined = refine_variational(frame1, frame2, flow, None, library)
        assert torch.equal(flow, before) and refined.isfinite().all()
        assert (refined - plain).norm(dim=1).mean() < 0.005
        difference = (refined - whole).norm(dim=1)
        undivided = size[0] < variational.UNDIVIDED and size[1] <= variational.BLOCK
        assert difference.max() < (2e-3 if undivided else 0.05)
        assert difference.mean() < (1e-4 if undivided else 5e-4)


def test_noise_is_refined_alike(libraries: dict[str, Library]) -> None:
    generator = torch.Generator().manual_seed(1)
    grey1, grey2 = (torch.randint(0, 256, (2, 50, 77), generator=generator, dtype=torch.uint8) for _ in range(2))
    flow = torch.randn(2, 2, 50, 77, generator=generator) * 20
    whole = batched.refine(grey1, grey2, flow)
    for library in libraries.values():
        refined = refine_variational(grey1, grey2, flow, None, library)
        # Chaotic where nothing fits: the rounding of a sum decides where some pixels go.
        assert (refined - whole).norm(dim=1).quantile(0.99) < 0.01


def test_pairs_blocks_and_threads_are_the_same_to_the_bit(libraries: dict[str, Library]) -> None:
    cases = [make_case((260, 70), seed) for seed in (1, 2)]
    grey1, grey2, flow = (torch.cat(parts) for parts in zip(*cases, strict=True))
    for library in libraries.values():
        whole = refine_variational(grey1, grey2, flow, Workers(1), library)
        workers = Workers(2)
        assert torch.equal(refine_variational(grey1, grey2, flow, workers, library), whole)
        workers.close()
        for index, case in enumerate(cases):
            assert torch.equal(refine_variational(*case, Workers(1), library)[0], whole[index])
        # However the tensors lie in memory.
        strided = flow.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        assert torch.equal(refine_variational(grey1, grey2, strided, None, library), whole)
        unaligned = torch.empty(flow.numel() + 1)[1:].view_as(flow).copy_(flow)
        frames = [
            torch.empty(grey.numel() + 3, dtype=torch.uint8)[3:].view_as(grey).copy_(grey) for grey in (grey1, grey2)
        ]
        assert torch.equal(refine_variational(frames[0], frames[1], unaligned, None, library), whole)


def test_only_its_block_is_written(libraries: dict[str, Library]) -> None:
    grey1, grey2, flow = (part[0] for part in make_case((64, 90), 2))
    for library in libraries.values():
        out = torch.full_like(flow, torch.nan)
        variational._refine_compiled(grey1, grey2, flow, (slice(21, 40), slice(0, 33)), out, library)
        assert out[:, 21:40, :33].isfinite().all()
        assert out.isfinite().sum() == 2 * 19 * 33


def test_flow_that_leads_anywhere_stays_finite(libraries: dict[str, Library]) -> None:
    grey1, grey2, flow = make_case((40, 52), 1)
    flow[0, 0, 10, 10], flow[0, 1, 20, 20], flow[0, 0, 0, 0] = 3e9, -5e7, -3e38
    spoiled = flow.clone()
    spoiled[0, 1, 30, 30] = torch.nan
    for library in libraries.values():
        assert refine_variational(grey1, grey2, flow, None, library).isfinite().all()
        # What is not a number stays alone.
        assert refine_variational(grey1, grey2, spoiled, None, library).isfinite().sum() == flow.numel() - 1


def test_motion_far_beyond_a_block_is_followed(libraries: dict[str, Library]) -> None:
    grey1, _, _ = make_case((400, 120), 3)
    grey2 = torch.roll(grey1, 150, dims=1)
    flow = torch.zeros(1, 2, 400, 120)
    flow[:, 1] = 150.4
    for library in libraries.values():
        refined = refine_variational(grey1, grey2, flow, None, library)
        plain = refine_variational(grey1, grey2, flow)
        difference = (refined - plain).norm(dim=1)[:, :230]
        assert difference.median() < 0.005
        assert (refined - flow)[:, 1, 20:180, 10:-10].abs().median() > 0.05


def test_where_nothing_is_to_be_seen_nothing_happens(libraries: dict[str, Library]) -> None:
    grey = torch.full((1, 20, 31), 90, dtype=torch.uint8)
    flow = torch.ones(1, 2, 20, 31)
    for library in libraries.values():
        torch.testing.assert_close(refine_variational(grey, grey, flow, None, library), flow)
