"""Clocks and memory of this process. Runs to be compared take turns, so that a busy machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from flowcli.benchmark.figures import peak_resident, spread


@dataclass(frozen=True)
class Timing:
    """Seconds of each repetition, on the wall and summed over this process's threads."""

    wall: list[float]
    cpu: list[float]

    def per(self, items: int) -> Timing:
        """Return the share of one of several equal items."""
        return Timing([seconds / items for seconds in self.wall], [seconds / items for seconds in self.cpu])

    def to_dict(self) -> dict[str, object]:
        """Return the spread of both, for JSON."""
        return {"seconds": spread(self.wall), "cpu_seconds": spread(self.cpu)}


def measure(run: Callable[[], object], repeats: int, device: torch.device) -> Timing:
    """Time `run` after one run that is not counted."""
    return interleave({"": run}, repeats, device)[""]


def interleave(runs: Mapping[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, Timing]:
    """Time several runs that take turns, after one round that is not counted."""
    timings = {name: Timing([], []) for name in runs}
    for repetition in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            finish(device)
            if repetition:
                timings[name].wall.append(time.perf_counter() - wall)
                timings[name].cpu.append(time.process_time() - cpu)
    return timings


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(device: torch.device) -> int:
    """Return the most memory that this process held so far, in bytes: on a GPU its tensors, else what is resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident()
