"""Keeps workers going over the inputs of several targets, and goes on after those that end in a crash or a hang."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from fuzz.inputs import make_input
from fuzz.target import Seed, Target
from fuzz.worker import WAITING, Ledger, Limits, Verdict, load_seeds, replay, work

CHUNK = 1000
"""Inputs of one worker process: leaks and what a reader left behind do not last."""

# In memory where there is such a folder: each input is a file.
_FAST_FOLDER = Path("/dev/shm")


@dataclass
class Tally:
    """The counts of one target; `bad` by kind."""

    accepted: int = 0
    refused: int = 0
    noisy: int = 0
    seconds: float = 0.0
    bad: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BAD, 0))

    @property
    def tried(self) -> int:
        return self.accepted + self.refused + sum(self.bad.values())


BAD = ("wrong", "foreign", "crash", "hang", "memory")
"""Kinds of outcome that no input may have."""


@dataclass(frozen=True)
class Finding:
    """An input whose outcome is a bad one or, with the kind "noise", a reader that wrote to stderr."""

    target: Target
    number: int
    verdict: Verdict


@dataclass
class _Task:
    target: Target
    first: int
    stop: int


@dataclass
class _Run:
    task: _Task
    process: ForkServerProcess
    connection: Connection
    ledger: Ledger
    complete: bool = False
    bad: int = 0


class Campaign:
    """Inputs of several targets, spread over worker processes.

    Attributes:
        tallies: by name of the target.
    """

    def __init__(self, targets: Sequence[Target], seed: int, limits: Limits, jobs: int = 1) -> None:
        self._targets, self._seed, self._limits, self._jobs = list(targets), seed, limits, jobs
        self._serial = 0
        self._seeds: dict[str, list[Seed]] = {}
        self.tallies = {target.name: Tally() for target in targets}

    def run(self, inputs: int, first: int = 0, stop: Callable[[], bool] = lambda: False) -> Iterator[Finding]:
        """Yield what is found in `inputs` inputs, divided among the targets by their share, from number `first` on.

        Ends early, with the inputs that are at work, once `stop` says so.
        """
        with working_folder() as folder:
            self._folder = folder
            tasks = _divide(self._targets, inputs, first)
            running: list[_Run] = []
            try:
                while tasks or running:
                    while tasks and len(running) < self._jobs and not stop():
                        running.append(self._start(tasks.pop(0)))
                    if stop():
                        tasks.clear()
                    if not running:
                        break
                    wait([run.connection for run in running])
                    for run in list(running):
                        yield from self._hear(run)
                        if run.process.exitcode is not None or run.complete:
                            running.remove(run)
                            yield from self._hear(run)
                            left, findings = self._end(run)
                            if left is not None:
                                tasks.insert(0, left)
                            yield from findings
            finally:
                for run in running:
                    run.process.kill()
                    run.process.join()

    def _start(self, task: _Task) -> _Run:
        self._serial += 1
        path = self._folder / f"ledger{self._serial}"
        ledger = Ledger(path)
        ours, theirs = CONTEXT.Pipe(duplex=False)
        numbers = range(task.first, task.stop)
        process = CONTEXT.Process(
            target=work, args=(theirs, task.target, self._folder, path, self._seed, numbers, self._limits)
        )
        process.start()
        theirs.close()
        return _Run(task, process, ours, ledger)

    def _hear(self, run: _Run) -> Iterator[Finding]:
        try:
            while run.connection.poll():
                message = run.connection.recv()
                if message is None:
                    run.complete = True
                elif isinstance(message, str):
                    raise RuntimeError(f"the fuzzer itself failed: {message}")
                else:
                    yield from self._note(run, *message)
        except (EOFError, OSError):
            run.process.join()

    def _note(self, run: _Run, number: int, verdict: Verdict) -> Iterator[Finding]:
        tally = self.tallies[run.task.target.name]
        if verdict.noise:
            tally.noisy += 1
            yield Finding(run.task.target, number, Verdict("noise", verdict.noise))
        if verdict.kind in BAD:
            tally.bad[verdict.kind] += 1
            run.bad += 1
            yield Finding(run.task.target, number, verdict)

    def _end(self, run: _Run) -> tuple[_Task | None, list[Finding]]:
        # Counts what the worker did; returns what is left of its task, and how it died if it did.
        run.process.join()
        run.connection.close()
        task, tally = run.task, self.tallies[run.task.target.name]
        tally.accepted += run.ledger.get("accepted")
        tally.refused += run.ledger.get("refused")
        tally.seconds += run.ledger.get("microseconds") / 1e6
        if run.complete:
            return None, []
        number = run.ledger.get("number")
        if number < 0:
            raise RuntimeError(f"{task.target.name}: a worker ended before its first input: {run.process.exitcode}")
        verdict = explain_exit(run.process.exitcode or 0, self._limits)
        tally.bad[verdict.kind] += 1
        finding = Finding(task.target, number, verdict)
        return (_Task(task.target, number + 1, task.stop) if number + 1 < task.stop else None), [finding]

    def data(self, finding: Finding) -> bytes:
        """Return the bytes of an input that was found; to be asked while the campaign runs."""
        target = finding.target
        if target.name not in self._seeds:
            self._seeds[target.name] = load_seeds(target, self._folder, large=False)
        seeds = self._seeds[target.name]
        if finding.number < len(seeds):
            seeds = load_seeds(target, self._folder)
        return make_input(target, seeds, self._seed, finding.number).data


def read_alone(target: Target, data: bytes, limits: Limits) -> Verdict:
    """Return how one input ends in a worker of its own."""
    with working_folder() as folder:
        ours, theirs = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=replay, args=(theirs, target, folder, data, limits))
        process.start()
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            process.join()
            return explain_exit(process.exitcode or 0, limits)
        finally:
            process.kill()
            process.join()


def explain_exit(code: int, limits: Limits) -> Verdict:
    """Return what the exit code of a worker that ended in the middle of an input means."""
    if code == -signal.SIGPROF:
        return Verdict("hang", f"still at work after {limits.seconds:g} s of processor time", "at work")
    if code == -signal.SIGALRM:
        return Verdict("hang", f"still waiting after {WAITING * limits.seconds:g} s", "waiting")
    if code == -signal.SIGKILL:
        return Verdict("memory", "killed by the system", "killed")
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Verdict("crash", f"the process died: {name}", name)


# The server of workers is a fresh process without threads; it has imported once what every worker needs.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["fuzz.preload"])


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for seeds, inputs and ledgers, in memory if possible."""
    parent = _FAST_FOLDER if _FAST_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="flowcli-fuzz-", dir=parent) as name:
        yield Path(name)


def _divide(targets: Sequence[Target], inputs: int, first: int) -> list[_Task]:
    # In rounds over all targets, so that a campaign that is stopped has seen all of them.
    whole = sum(target.share for target in targets)
    queues = []
    for target in targets:
        stop = first + max(1, round(inputs * target.share / whole))
        queues.append([_Task(target, k, min(k + CHUNK, stop)) for k in range(first, stop, CHUNK)])
    longest = max(map(len, queues))
    return [queue[k] for k in range(longest) for queue in queues if k < len(queue)]
