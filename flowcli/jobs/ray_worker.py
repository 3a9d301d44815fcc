"""What a Ray worker process does: build an estimator once, then one call after the other. Knows nothing of Ray itself.

It has to compute as the process does that keeps the journal, so that results do not depend on who made them: the same
version, the same weights, the same files under the same names.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowcli import __version__
from flowcli.errors import EngineError, FlowcliError
from flowcli.jobs.crew import Told
from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Advanced, Ended, Interrupted, ItemJob, Left, Started
from flowcli.jobs.local import run_here
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from flowcli.estimator import Estimator

INTERVAL = 0.25
"""Seconds for which a worker gathers what it has to tell: a driver hears of many workers, and of each seldom."""


@dataclass(frozen=True)
class Greeting:
    """A worker is ready, or cannot be.

    Attributes:
        machine: name of the machine it runs on.
        node: Ray's name for it.
        version: of flowcli there.
        settings: `Estimator.settings`.
        arithmetic: what the last digits of a flow may depend on besides.
        error: why it cannot work.
    """

    machine: str
    node: str
    version: str
    settings: dict[str, object]
    arithmetic: str = ""
    error: FlowcliError | None = None


@dataclass(frozen=True)
class Absent:
    """An input is not there, as far as this machine sees."""

    path: str
    machine: str


class RayWorker:
    """The actor."""

    def __init__(self, node: str = "") -> None:
        """Do nothing yet: what fails later can be told."""
        self._node = node
        self._estimator: Estimator | None = None

    def begin(self, options: EstimatorOptions, threads: int, weights: NDArray[np.uint8] | None, place: str) -> Greeting:
        """Build the estimator, in the folder where names of files are meant; tell how it went.

        Args:
            options: of the estimator.
            threads: CPU threads, unless the options say how many.
            weights: the bytes of the checkpoint that the options name, if they name one that is no part of flowcli.
            place: the working folder of the command.
        """
        # Read once, when torch is loaded: threads that wait for each other sleep.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        greeting = Greeting(platform.node(), _node(), __version__, {})
        try:
            os.chdir(place)
        except OSError as error:
            text = f"{place}: expected the folder in which the command was given ({error.strerror})"
            return replace(greeting, error=EngineError(text))
        try:
            from flowcli.estimator import Estimator
            from flowcli.runtime.process import configure_process

            threads = options.threads or threads
            configure_process(threads, spare=options.memory is not None)
            with _as_file(weights) as path:
                estimator = Estimator(replace(options, threads=threads, model=path or options.model))
            if path is not None:
                # What results tell of, and what a journal compares, is the name that was typed.
                _rename(estimator, options.model)
        except FlowcliError as error:
            return replace(greeting, error=error)
        self._estimator = estimator
        return replace(greeting, settings=estimator.settings, arithmetic=_describe_arithmetic(estimator))

    def look(self, probe: str, answer: str, text: str) -> bool:
        """Return whether the file `probe` holds `text` here as well, and write the file `answer` beside it."""
        try:
            if Path(probe).read_text() != text:
                return False
            Path(answer).write_text(text)
        except OSError:
            return False
        return True

    def work(self, job: ItemJob) -> Generator[list[Told | Absent], None, None]:
        """Do a call; yields what happens, some of it together."""
        assert self._estimator is not None
        told: list[Told | Absent] = []
        if absent := next((text for text in job.item.inputs if not _is_there(text)), None):
            told.append(Absent(absent, platform.node()))
        since = time.monotonic()
        for _, event in run_here([job], self._estimator):
            assert not isinstance(event, Interrupted)
            if isinstance(event, Advanced) and told and isinstance(told[-1], Advanced):
                told.pop()
            told.append(event)
            now = time.monotonic()
            if now - since > INTERVAL or isinstance(event, Started | Left | Ended | Failed):
                yield told
                told, since = [], now


def _is_there(text: str) -> bool:
    try:
        return "://" in text or Path(text).exists()
    except OSError:  # a name that the system does not take; opening it says so
        return True


def _node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()


@contextmanager
def _as_file(weights: NDArray[np.uint8] | None) -> Generator[str | None, None, None]:
    if weights is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="flowcli-", suffix=".weights") as file:
        weights.tofile(file)
        file.flush()
        yield file.name


def _describe_arithmetic(estimator: Estimator) -> str:
    import cv2

    found = [f"OpenCV {cv2.__version__}"]
    # Methods without a network do without torch.
    if (torch := sys.modules.get("torch")) is not None:
        found = [f"torch {torch.__version__}", torch.backends.cpu.get_cpu_capability(), *found]
    network = getattr(estimator.method, "network", None)
    if network is not None:
        found.append("compiled kernels" if getattr(network, "kernels", None) is not None else "torch's kernels")
    return ", ".join(found)


def _rename(estimator: Estimator, model: str) -> None:
    settings = getattr(estimator.method, "settings", None)
    if isinstance(settings, dict):
        settings["model"] = model
