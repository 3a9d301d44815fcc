from __future__ import annotations

import time

import pytest
import torch

from flowcli.benchmark.clock import Timing, interleave, measure, peak_memory
from flowcli.benchmark.figures import ratios, spread

CPU = torch.device("cpu")


def test_runs_take_turns_and_the_first_round_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(time, "process_time", lambda: now["cpu"])
    order: list[str] = []

    def run(name: str, seconds: float) -> None:
        order.append(name)
        now["wall"] += seconds * len(order)
        now["cpu"] += 2 * seconds

    timings = interleave({"a": lambda: run("a", 1.0), "b": lambda: run("b", 10.0)}, 2, CPU)
    assert order == ["a", "b"] * 3
    assert timings["a"] == Timing([3.0, 5.0], [2.0, 2.0])
    assert timings["b"] == Timing([40.0, 60.0], [20.0, 20.0])
    order.clear()
    assert measure(lambda: run("c", 1.0), 1, CPU) == Timing([2.0], [2.0])


def test_shares_spreads_and_ratios() -> None:
    timing = Timing([2.0, 4.0], [6.0, 8.0]).per(2)
    assert timing == Timing([1.0, 2.0], [3.0, 4.0])
    assert timing.to_dict()["cpu_seconds"] == {"min": 3.0, "median": 3.5, "max": 4.0}
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}


def test_peak_memory_sees_what_was_held_and_let_go() -> None:
    size = 2**26
    block = bytearray(size)
    block[::4096] = b"x" * (size // 4096)  # a page is resident once it was written
    del block
    assert peak_memory(CPU) > size
