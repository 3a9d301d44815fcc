"""The compiled weighted median is torch's: every level of this processor, borders, kinds of frames, threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from flowcli.coarse_to_fine import median
from flowcli.coarse_to_fine.median import find_motion_edges, weighted_median
from flowcli.kernels.library import Library
from flowcli.model.features import stack_frames
from flowcli.runtime.threads import Workers
from flowcli.training.scene import make_scene

pytestmark = pytest.mark.slow  # the first test of a process waits for the compiler

SIZES = [(1, 1), (1, 9), (5, 7), (16, 16), (33, 65), (90, 131)]
ALONE = Workers(1)


@pytest.fixture(scope="module")
def libraries(compiled: dict[str, Path]) -> dict[str, Library]:
    return {name: Library(path, name) for name, path in compiled.items()}


def make_case(size: tuple[int, int], batch: int = 2) -> tuple[Tensor, Tensor]:
    """Flow full of jumps `(B, 2, H, W)`, some of its values equal, and frames `(B, 3, H, W)` of smooth noise."""
    generator = torch.Generator().manual_seed(size[0])
    flow = (torch.randn(batch, 2, *size, generator=generator) * 8).round() / 4
    frame = torch.randn(batch, 3, *size, generator=generator).cumsum(3).mul(0.05).clamp(-1, 1)
    return flow, frame


def assert_same(filtered: Tensor, expected: Tensor) -> None:
    # Where the weight on both sides is equal to a rounding the next value may be taken.
    different = (filtered != expected).float().mean()
    assert different < 1e-3, f"{different:.2%} differ"


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_torchs(size: tuple[int, int], libraries: dict[str, Library]) -> None:
    flow, frame = make_case(size)
    for picture in (frame, ((frame + 1) * 127.5).round().byte()):
        expected = weighted_median(flow.clone(), picture, ALONE)
        assert min(size) == 1 or not torch.equal(expected, flow)
        for library in libraries.values():
            assert_same(weighted_median(flow.clone(), picture, ALONE, library), expected)


def test_a_rendered_pair_is_filtered_alike(libraries: dict[str, Library]) -> None:
    scene = make_scene((120, 170), seed=4)
    frame = stack_frames([scene.frame1])
    flow = torch.tensor(scene.truth.uv).permute(2, 0, 1)[None].contiguous()
    flow += torch.randn(flow.shape, generator=torch.Generator().manual_seed(2)) * 0.1
    assert 0.02 < find_motion_edges(flow).float().mean() < 0.9
    expected = weighted_median(flow.clone(), frame, ALONE)
    assert (expected - flow).abs().mean() > 0.005
    for library in libraries.values():
        assert_same(weighted_median(flow.clone(), frame, ALONE, library), expected)


def test_parts_threads_and_strides_change_nothing(
    libraries: dict[str, Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, frame = make_case((40, 50))
    workers = Workers(2)
    for library in libraries.values():
        whole = weighted_median(flow.clone(), frame, ALONE, library)
        monkeypatch.setattr(median, "COMPILED_PIXELS", 37)
        assert torch.equal(weighted_median(flow.clone(), frame, workers, library), whole)
        monkeypatch.undo()
        strided = flow.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        picture = frame.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        assert torch.equal(weighted_median(strided, picture, ALONE, library), whole)
    workers.close()


def test_flow_without_edges_stays_as_it_is(libraries: dict[str, Library]) -> None:
    ramp = (torch.arange(60) * 0.3).expand(1, 2, 40, 60).contiguous()
    for library in libraries.values():
        assert torch.equal(weighted_median(ramp.clone(), torch.zeros(1, 3, 40, 60), ALONE, library), ramp)


def test_what_is_not_a_number_counts_as_in_torch(libraries: dict[str, Library]) -> None:
    flow, frame = make_case((30, 40), 1)
    flow[0, 0, 10, 3:9], flow[0, 1, 20:, 20:] = torch.nan, torch.nan
    expected = weighted_median(flow.clone(), frame, ALONE)
    for library in libraries.values():
        filtered = weighted_median(flow.clone(), frame, ALONE, library)
        different = (filtered.nan_to_num(1e6) != expected.nan_to_num(1e6)).float().mean()
        assert different < 2e-3
