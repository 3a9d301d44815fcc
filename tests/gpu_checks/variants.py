"""The same function in other ways: captured in a CUDA graph, compiled by torch; and the memory that one takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from gpu_checks.setup import Setup

Function = Callable[..., Tensor]


def capture(function: Function, *inputs: Tensor) -> Callable[[], Tensor]:
    """Record `function` of these inputs in a CUDA graph; a call replays it and returns the same tensor each time."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        # What is made once, such as libraries' workspaces, is made before.
        for _ in range(3):
            function(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = function(*inputs)

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


class Variants(NamedTuple):
    """The ways in which a function runs here.

    Attributes:
        runs: by name.
        setup: seconds that it took to make each, by name.
        failed: why some cannot be had, by name.
    """

    runs: dict[str, Callable[[], Tensor]]
    setup: dict[str, float]
    failed: dict[str, str]

    @property
    def failures(self) -> str | None:
        """All reasons in one line."""
        return "; ".join(f"{name}: {reason}" for name, reason in self.failed.items()) or None


def make_variants(setup: Setup, function: Function, *inputs: Tensor, compiled: bool = True) -> Variants:
    """Make every way that the device has; `compiled`: torch.compile too, which takes long where there are loops."""
    variants = Variants({"plain": lambda: function(*inputs)}, {}, {})
    ways: dict[str, Callable[[], Callable[[], Tensor]]] = {}
    if setup.has_graphs:
        ways["CUDA graph"] = lambda: capture(function, *inputs)
    if compiled and setup.backend is not None:
        ways["torch.compile"] = partial(_compile, setup.backend, function, *inputs)
    for name, make in ways.items():
        began = time.perf_counter()
        try:
            variants.runs[name] = make()
        except Exception as error:
            variants.failed[name] = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        variants.setup[name] = time.perf_counter() - began
    return variants


def _compile(backend: str, function: Function, *inputs: Tensor) -> Callable[[], Tensor]:
    compiled = torch.compile(function, backend=backend, dynamic=False)
    compiled(*inputs)
    return lambda: compiled(*inputs)


def peak_gib(setup: Setup, run: Callable[[], object]) -> float | None:
    """Return the most GiB of a GPU that its tensors took during `run`, those from before included."""
    if setup.device.type != "cuda":
        return None
    torch.cuda.synchronize(setup.device)
    torch.cuda.reset_peak_memory_stats(setup.device)
    run()
    torch.cuda.synchronize(setup.device)
    return torch.cuda.max_memory_allocated(setup.device) / 2**30
