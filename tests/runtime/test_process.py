"""What an estimator and `configure_process` do to the process, each in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Threads of torch and of OpenCV, and what becomes of half of the smallest normal float.
STATE = """
import json, sys
import cv2, numpy as np, torch
from flowcli.estimator import Estimator
from flowcli.runtime.process import configure_process
def state():
    return [torch.get_num_threads(), cv2.getNumThreads(), (torch.tensor([2.0**-126]) / 2).item() > 0]
torch.set_num_threads(2)
cv2.setNumThreads(2)
before = state()
{}
print(json.dumps([before, state()]))
"""


def states(code: str) -> tuple[list[object], list[object]]:
    command = [sys.executable, "-c", STATE.format(code)]
    before, after = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert before == [2, 2, True]
    return before, after


@pytest.mark.slow
def test_an_estimator_leaves_the_process_as_it_was() -> None:
    code = """
frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
for model in ("compact", "variational", "dis", "zero"):
    for threads in (1, 3):
        with Estimator(model, threads=threads) as estimator:
            assert state() == before, (model, threads)
            estimator.flow(frame, frame)
            assert state() == before, (model, threads)
"""
    before, after = states(code)
    assert after == before


@pytest.mark.slow
def test_a_process_is_configured_when_it_asks_for_it() -> None:
    assert states("configure_process(1)")[1] == [1, 1, False]
    assert states("configure_process()")[1] == [2, 2, False]
