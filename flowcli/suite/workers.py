"""The processes of the contestants, which take turns: each has its own memory, and works only when it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from flowcli.errors import EngineError
from flowcli.io.names import LONGEST_NAME, shorten_name
from flowcli.suite.contestants import Contestant
from flowcli.suite.scope import Fault, Part, Run

Figures = dict[str, float]


def worker_command(contestant: Contestant, run: Run) -> list[str]:
    """Return the command line of a contestant's process."""
    threads = "-" if run.threads is None else str(run.threads)
    return [sys.executable, "-m", "flowcli.suite.worker", contestant.to_json(), threads, run.device]


class Worker(AbstractContextManager["Worker"]):
    """One contestant's process."""

    def __init__(self, contestant: Contestant, run: Run) -> None:
        """Start it; raises EngineError if it does not come up."""
        self.contestant = contestant
        self._log = run.folder / f"{shorten_name(contestant.name.replace('/', '-'), LONGEST_NAME - 4)}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                worker_command(contestant, run), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            self._read()
        except BaseException:
            self.__exit__()
            raise

    def ask(self, request: dict[str, str | int]) -> Figures:
        """Let it do one request; raises EngineError if it fails."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise EngineError(last_line(self._log) or f"exit code {code}")
        return json.loads(line)

    def __exit__(self, *error: object) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def last_line(log: Path) -> str:
    """Return the last line of what a process said, which says what went wrong; ours without its name in front."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("flowcli: ") if lines else ""


def take_turns(
    run: Run,
    part: Part,
    contestants: Iterable[Contestant],
    requests: Sequence[dict[str, str | int]],
    uncounted: int,
    faults: list[Fault],
    announce: Callable[[int], None] = lambda number: None,
) -> dict[Contestant, list[Figures]]:
    """Ask all contestants the same, each in turn, and return the answers of those that could give all of them.

    Args:
        run: the suite.
        part: of it.
        contestants: who is asked.
        requests: what; everybody answers one before the next is asked.
        uncounted: so many of the first answers are left out.
        faults: gets who could not, and why; the others go on.
        announce: is told the number of each request.
    """
    workers: list[Worker] = []
    answers: dict[Contestant, list[Figures]] = {}
    try:
        for contestant in contestants:
            try:
                workers.append(Worker(contestant, run))
            except EngineError as error:
                faults.append(Fault(part, contestant.name, str(error)))
        for number, request in enumerate(requests):
            announce(number)
            for worker in list(workers):
                try:
                    answers.setdefault(worker.contestant, []).append(worker.ask(request))
                except EngineError as error:
                    faults.append(Fault(part, worker.contestant.name, str(error)))
                    answers.pop(worker.contestant, None)
                    workers.remove(worker)
                    worker.__exit__()
    finally:
        for worker in workers:
            worker.__exit__()
    return {contestant: told[uncounted:] for contestant, told in answers.items()}
