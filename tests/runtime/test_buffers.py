from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from flowcli.errors import EngineError
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig
from flowcli.model.folded import CPU_CHUNK, GPU_CHUNK
from flowcli.runtime.buffers import MOST_TILES, plan_buffers
from flowcli.runtime.tiles import TiledNetwork

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("config", [COMPACT, PERCEIVER_IO, TINY])
@pytest.mark.parametrize("device", [CPU, CUDA])
def test_buffers_follow_from_the_ceiling(config: ModelConfig, device: torch.device) -> None:
    budgets = [plan_buffers(config, memory, device) for memory in (1e-6, 0.1, 0.5, 2, 8, 64)]
    assert budgets[0] == (1, CPU_CHUNK)
    assert budgets[-1] == (MOST_TILES[device.type], CPU_CHUNK if device is CPU else GPU_CHUNK)
    assert [budget.batch for budget in budgets] == sorted(budget.batch for budget in budgets)
    assert [budget.chunk for budget in budgets] == sorted(budget.chunk for budget in budgets)


def test_workers_share_the_ceiling() -> None:
    assert plan_buffers(PERCEIVER_IO, 1, CPU, 4) == plan_buffers(PERCEIVER_IO, 0.25, CPU, 1)


class Narrow:
    """A network whose device holds at most `most` tiles."""

    def __init__(self, most: int, error: RuntimeError) -> None:
        self.most, self.error, self.batches = most, error, []

    def __call__(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        self.batches.append(len(frame1))
        if len(frame1) > self.most:
            raise self.error
        return frame1[:, :2]


GPU_ERROR = torch.OutOfMemoryError("CUDA out of memory")
CPU_ERROR = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
FRAMES = torch.rand(1, 3, 36, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("error", [GPU_ERROR, CPU_ERROR])
def test_batches_shrink_until_they_fit(error: RuntimeError) -> None:
    network = Narrow(2, error)
    tiled = TiledNetwork(network, TINY, batch=9, overlap=0, grid="even", cap=4)
    with pytest.warns(UserWarning, match="out of memory") as told:
        torch.testing.assert_close(tiled(FRAMES, FRAMES), FRAMES[:, :2])
    assert [str(warning.message).split("; ")[1] for warning in told] == [f"going on with {n}" for n in (5, 3, 2)]
    assert tiled.batch == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.batches.clear()
        tiled(FRAMES, FRAMES)
    assert network.batches == [2] * 6


def test_one_tile_too_many_is_an_error() -> None:
    tiled = TiledNetwork(Narrow(0, GPU_ERROR), TINY, batch=1, overlap=0, grid="even", cap=4)
    with pytest.raises(EngineError, match="memory for one tile"):
        tiled(FRAMES, FRAMES)


def test_other_errors_pass() -> None:
    tiled = TiledNetwork(Narrow(0, RuntimeError("mat1 and mat2")), TINY, batch=4, overlap=0, grid="even", cap=4)
    with pytest.raises(RuntimeError, match="mat1"):
        tiled(FRAMES, FRAMES)
