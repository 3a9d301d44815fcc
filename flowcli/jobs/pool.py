"""The jobs of a batch several at a time, in processes of their own on this machine.

Threads are divided among the processes, not multiplied. A worker ends when its parent does, however that died, and does
not hear Ctrl-C: the parent decides. One that dies is replaced; the item that it was at is tried again from its first
open part, and given up after TRIES deaths.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from flowcli.errors import EngineError, FlowcliError, UsageError
from flowcli.estimator import Estimator
from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Assigned, Ended, ItemJob, PartDone, Started
from flowcli.jobs.local import Reports, count_cores, run_here
from flowcli.options import EstimatorOptions
from flowcli.runtime.ceiling import BARE_PROCESS, GIB
from flowcli.runtime.memory import resident_memory
from flowcli.runtime.process import configure_process, keep_what_is_loaded

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

TRIES = 3
# What a worker says when it wants a job.
_READY = "ready"


@dataclass(frozen=True)
class _Bug:
    """A worker could not even begin, and nobody knows why."""

    details: str


class _Worker:
    """A process that builds an estimator and then does one job after the other."""

    def __init__(self, options: EstimatorOptions, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, options, threads), daemon=True)
        self._process.start()
        theirs.close()
        self.has_begun = False
        self.job: ItemJob | None = None

    def give(self, job: ItemJob) -> bool:
        """Hand over a job; False if the worker is dead."""
        try:
            self.connection.send(job)
        except OSError:
            return False
        self.job = job
        return True

    def hear(self) -> object:
        """Return what it has to say, or None if it is dead; keeps in mind how far its job is."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return None
        if message == _READY:
            self.has_begun, self.job = True, None
        elif isinstance(message, tuple) and self.job is not None:
            event = message[1]
            if isinstance(event, Started):
                self.job = self.job.after((), event.scale)
            elif isinstance(event, PartDone):
                self.job = self.job.after([event.part], self.job.scale)
            elif isinstance(event, Ended | Failed):
                self.job = None
        return message

    def describe_death(self) -> str:
        """Return what ended it."""
        self._process.join(5)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code}{', often for lack of memory' if code == -signal.SIGKILL else ''}"
        return f"exit code {code}"

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def run_in_processes(jobs: Iterable[ItemJob], options: EstimatorOptions, number: int) -> Reports:
    """Do the jobs in `number` processes; yields what happens as it happens, items side by side.

    Raises:
        FlowcliError: the estimator cannot be built; the workers are ended.
        EngineError: the workers die before they have begun.
    """
    waiting = deque(jobs)
    options, number = share_memory(options, number)
    threads = max(1, count_cores() // number)
    deaths: Counter[str] = Counter()
    workers: dict[Connection, _Worker] = {}
    idle: list[_Worker] = []

    def start() -> None:
        worker = _Worker(options, threads)
        workers[worker.connection] = worker

    try:
        for _ in range(min(number, len(waiting))):
            start()
        while waiting or any(worker not in idle for worker in workers.values()):
            while waiting and idle:
                yield waiting[0].item.name, Assigned()
                if idle[-1].give(waiting[0]):
                    waiting.popleft()
                else:
                    del workers[idle[-1].connection]
                    start()
                idle.pop()
            for connection in wait([connection for connection, worker in workers.items() if worker not in idle]):
                assert isinstance(connection, Connection)
                worker = workers[connection]
                message = worker.hear()
                if message is None:
                    del workers[connection]
                    reason, job = worker.describe_death(), worker.job
                    worker.end()
                    if job is not None:
                        name = job.item.name
                        deaths[name] += 1
                        if deaths[name] < TRIES:
                            waiting.appendleft(job)
                        else:
                            yield name, Failed(f"its worker process died {TRIES} times ({reason})")
                    elif not worker.has_begun and not workers:
                        raise EngineError(
                            f"a worker process died before it had begun ({reason}); run the same command again to "
                            "continue, with fewer --jobs or less --memory"
                        )
                    if worker.has_begun and waiting and not idle:
                        start()
                elif message == _READY:
                    idle.append(worker)
                elif isinstance(message, FlowcliError):
                    raise message
                elif isinstance(message, _Bug):
                    raise RuntimeError(f"a worker process failed:\n{message.details}")
                else:
                    yield message  # pyright: ignore[reportReturnType]
    finally:
        for worker in workers.values():
            worker.end()


def share_memory(options: EstimatorOptions, number: int) -> tuple[EstimatorOptions, int]:
    """Divide a ceiling: return the options of each process, and for how many at most it is enough.

    Raises:
        UsageError: it is not enough for one beside this process.
    """
    if options.memory is None:
        return options, number
    here, bare = (resident_memory() or BARE_PROCESS) / GIB, BARE_PROCESS / GIB
    number = min(number, int((options.memory - here) / bare))
    if number < 1:
        raise UsageError(
            f"--memory {options.memory:g}: expected at least {here + bare:.2f} for several --jobs, which are "
            "processes; give more, or leave --jobs out"
        )
    return replace(options, memory=(options.memory - here) / number), number


def _serve(connection: Connection, options: EstimatorOptions, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        threads = options.threads or threads
        with keep_what_is_loaded():
            configure_process(threads, spare=options.memory is not None)
            estimator = Estimator(replace(options, threads=threads))
        connection.send(_READY)
        while True:
            for report in run_here([connection.recv()], estimator):
                connection.send(report)
            connection.send(_READY)
    except EOFError:
        return
    except FlowcliError as error:
        connection.send(error)
    except Exception:
        # Not swallowed: the parent raises it with this traceback.
        connection.send(_Bug(traceback.format_exc()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
