"""On a GPU nothing may stay behind on the CPU; "meta", a device that computes shapes alone, stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.coarse_to_fine.batched import rigid
from flowcli.coarse_to_fine.consistency import is_consistent
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.match import match_frames
from flowcli.coarse_to_fine.median import _median_of_neighbours, median_filter
from flowcli.coarse_to_fine.photometric import describe, photometric_cost, to_grey
from flowcli.coarse_to_fine.pyramid import Pyramid
from flowcli.coarse_to_fine.resize import resize_flow
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.coarse_to_fine.warp import warp
from flowcli.model.folded import fold
from flowcli.runtime.threads import Workers
from flowcli.runtime.tiles import TiledNetwork

OTHER = torch.device("meta")
COPIES = torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default


class OneDevice(TorchDispatchMode):
    """Refuse operations between tensors of different devices, as a GPU does; single numbers may come from anywhere."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dim()]
        if func not in COPIES and len({tensor.device for tensor in tensors}) > 1:
            raise AssertionError(f"{func} of {[(str(tensor.device), tuple(tensor.shape)) for tensor in tensors]}")
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def one_device() -> Iterator[None]:
    with torch.inference_mode(), OneDevice():
        yield


def other(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(*size, dtype=dtype, device=OTHER)


def test_the_check_finds_what_stayed_behind() -> None:
    with pytest.raises(AssertionError, match=r"'cpu', \(3,\)"):
        torch.add(torch.ones(3), other(3))


@pytest.mark.parametrize("operands", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("chunk", [2**16, 2**18])
def test_the_network_in_tiles(operands: torch.dtype, chunk: int) -> None:
    checkpoint = load_checkpoint("compact")
    model = fold(build_model(checkpoint), operands, chunk).to(OTHER)
    tiled = TiledNetwork(model, checkpoint.config, 8, 8, "even", 8)
    flow = tiled(*(other(1, 3, 100, 150) for _ in range(2)))
    assert flow.device == OTHER and flow.shape == (1, 2, 100, 150) and flow.dtype == torch.float32


FRAME, FLOW = (1, 3, 40, 50), (1, 2, 40, 50)
INDICES = other(5, dtype=torch.long)
STEPS: dict[str, Callable[[], Tensor]] = {
    "warping": lambda: warp(other(*FRAME), other(*FLOW), other(*FRAME))[0],
    "consistency": lambda: is_consistent(other(*FLOW), other(1, 2, 20, 25), height=40),
    "photometric cost": lambda: photometric_cost(
        describe(other(1, 1, 40, 50)), describe(other(1, 1, 40, 50)), other(1, 1, 40, 50, dtype=torch.bool)
    ),
    "resizing": lambda: resize_flow(other(*FLOW), (81, 99)),
    "levels": lambda: Pyramid(other(1, 3, 200, 300, dtype=torch.uint8), (20, 30)).at((25, 41), eight_bit=True),
    "grey": lambda: to_grey(other(*FRAME)),
    "refinement": lambda: refine_variational(
        *(other(1, 40, 50, dtype=torch.uint8) for _ in range(2)), flow=other(*FLOW)
    ),
    "inpainting": lambda: inpaint(other(*FLOW), other(1, 1, 40, 50, dtype=torch.bool)),
    "rigid continuation": lambda: rigid.continue_rigidly(
        other(*FLOW),
        other(1, 1, 40, 50, dtype=torch.bool),
        *(other(*size, dtype=torch.float64) for size in ((1, 3, 3), (1, 3))),
        cell=4,
    )[0],
    "median": lambda: median_filter(other(*FLOW), 5),
    "matching": lambda: match_frames(other(*FRAME), other(*FRAME), Workers(1))[0],
    "edges": lambda: _median_of_neighbours(other(*FLOW), other(*FRAME), (INDICES, INDICES, INDICES)),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_pyramid(step: str) -> None:
    assert STEPS[step]().device == OTHER
