"""The jobs of a batch on this machine: one after the other here, or several at a time in processes of their own.

Threads are divided among the processes, not multiplied. A worker ends when its parent does, however that died, and does
not hear Ctrl-C: the parent decides.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from flowcli.errors import EngineError, FlowcliError, FormatError, InputError
from flowcli.jobs.item import Event, ItemJob, work_item
from flowcli.jobs.stream import FlowEstimator

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from flowcli.estimator import Estimator


@dataclass(frozen=True)
class Failed:
    """The item's input cannot be used; the other items are not concerned."""

    reason: str


Report = tuple[str, Event | Failed]


@dataclass(frozen=True)
class EstimatorOptions:
    """The arguments of `Estimator`, to be built where they are needed."""

    model: str = "compact"
    device: str = "auto"
    precision: str = "auto"
    memory: float | None = None
    batch: int | None = None
    overlap: int | None = None
    threads: int | None = None
    guess: str = "auto"
    polish: bool | None = None
    preset: str | None = None
    kernels: str = "auto"

    def build(self, threads: int | None = None) -> Estimator:
        """Return the estimator; `threads` is for when the options leave it open."""
        from flowcli.estimator import Estimator

        return Estimator(
            self.model,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            batch=self.batch,
            overlap=self.overlap,
            threads=self.threads or threads,
            guess=self.guess,
            polish=self.polish,
            preset=self.preset,
            kernels=self.kernels,
        )


def run_here(jobs: Iterable[ItemJob], estimator: FlowEstimator) -> Generator[Report, None, None]:
    """Do the jobs one after the other; yields what happens, with the name of the item.

    An input that cannot be used ends its item only; all other errors of `work_item` are raised.
    """
    for job in jobs:
        try:
            with closing(work_item(job, estimator)) as events:
                for event in events:
                    yield job.item.name, event
        except (InputError, FormatError) as error:
            yield job.item.name, Failed(str(error))


def run_in_processes(jobs: Iterable[ItemJob], options: EstimatorOptions, number: int) -> Generator[Report, None, None]:
    """Do the jobs in `number` processes; yields what happens as it happens, items side by side.

    Raises:
        FlowcliError: what `run_here` raises; the workers are ended.
        EngineError: a worker died.
    """
    waiting = deque(jobs)
    threads = max(1, count_cores() // number)
    context = multiprocessing.get_context("spawn")
    workers: dict[Connection, SpawnProcess] = {}
    try:
        for _ in range(min(number, len(waiting))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, options, threads), daemon=True)
            process.start()
            theirs.close()
            workers[ours] = process
            ours.send(waiting.popleft())
        busy = set(workers)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                message = _receive(connection, workers[connection])
                if message is not None:
                    yield message
                elif waiting:
                    connection.send(waiting.popleft())
                else:
                    busy.remove(connection)
    finally:
        for connection, process in workers.items():
            connection.close()
            process.kill()
        for process in workers.values():
            process.join()


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _receive(connection: Connection, process: SpawnProcess) -> Report | None:
    try:
        message = connection.recv()
    except (EOFError, OSError):
        process.join(5)
        raise EngineError(
            f"a worker process died (exit code {process.exitcode}; -9 means killed, often for lack of memory); "
            "run the same command again to continue, with fewer --jobs or less --memory"
        ) from None
    if isinstance(message, FlowcliError):
        raise message
    if isinstance(message, str):
        raise RuntimeError(f"a worker process failed:\n{message}")
    return message


def _serve(connection: Connection, options: EstimatorOptions, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(threads)
    try:
        estimator = options.build(threads)
        while True:
            for report in run_here([connection.recv()], estimator):
                connection.send(report)
            connection.send(None)
    except EOFError:
        return
    except FlowcliError as error:
        connection.send(error)
    except Exception:
        # Not swallowed: the parent raises it with this traceback.
        connection.send(traceback.format_exc())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
