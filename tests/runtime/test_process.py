"""What an estimator and `configure_process` do to the process, each in one of its own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from flowcli.runtime.process import keep_what_is_loaded

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


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """The garbage collector as the other tests expect it."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("unfrozen")
def test_what_is_loaded_is_left_alone_and_what_comes_later_is_not() -> None:
    gc.unfreeze()
    with keep_what_is_loaded():
        assert not gc.isenabled()
        kept = _Node()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    later = _Node()
    seen, came_later = weakref.ref(kept), weakref.ref(later)
    del kept, later
    gc.collect()
    assert seen() is not None
    assert came_later() is None


@pytest.mark.usefixtures("unfrozen")
def test_collections_go_on_where_loading_fails_and_stay_off_where_they_were() -> None:
    gc.unfreeze()
    with pytest.raises(ValueError), keep_what_is_loaded():
        raise ValueError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    with keep_what_is_loaded():
        pass
    assert not gc.isenabled()


class _Node:
    """Refers to itself: only the collector can take it away."""

    def __init__(self) -> None:
        self.own = self
