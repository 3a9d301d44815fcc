"""What a Ray batch costs beside processes on the same cores, and how many workers one driver bears.

    python tests/ray_load.py overhead --rounds 3
    python tests/ray_load.py driver --workers 64
    python tests/ray_load.py messages --workers 64

overhead: the same clips with `--jobs N` and with `--engine ray --workers N`, taking turns. Processor seconds are those
of the work, start-up apart: of a worker from its first call to its end, as the system counts them for the process.

driver: simulated workers tell a driver what workers with --model zero tell, as fast as it listens, and it keeps a real
journal of a real batch. Prints messages and lines of the journal per pair, what they cost the driver, and the rate of
pairs at which it is busy all the time. What Ray needs to bring a message is not in it:

messages: streams of two actors, as many as workers, heard as RayCrew hears them.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from kill_batch import make_inputs, results

from flowcli.io.image import write_image
from flowcli.jobs.attempt import FileMark
from flowcli.jobs.batch import Batch
from flowcli.jobs.crew import Lost, Told, run_in_crew
from flowcli.jobs.engines import EngineChoice, open_engine
from flowcli.jobs.job import Advanced, Ended, ItemJob, Left, PartDone, Started, count_parts
from flowcli.jobs.journal import Journal
from flowcli.jobs.plan import BatchItem, plan_batch
from flowcli.jobs.ray_worker import INTERVAL
from flowcli.jobs.schedule import Call
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.options import EstimatorOptions

SETTINGS = BatchSettings(".flo", ".flo", None)


# Overhead.


def count_processor_seconds(pids: Sequence[int]) -> float:
    """User and system seconds of processes that are alive."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def find_workers(title: bytes) -> list[int]:
    """Process ids of the workers that descend from this process."""
    parents: dict[int, int] = {}
    titles: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            titles[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:  # ended meanwhile
            continue

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid, text in titles.items() if title in text and pid != os.getpid() and is_ours(pid)]


def measure(
    inputs: list[str], total: int, output: Path, choice: EngineChoice, options: EstimatorOptions
) -> tuple[float, int]:
    """Do a batch of `total` pairs; returns processor seconds of driver and workers, and the pairs done in them.

    Left out are the first and the last ones, when not all workers work.
    """
    title = b"ray::RayWorker" if choice.name == "ray" else b"spawn_main"
    begun: tuple[float, int] | None = None
    seconds, pairs = 0.0, 0
    with open_engine(choice, options) as (engine, settings):
        batch = Batch(plan_batch(inputs, output), SETTINGS, output, settings)
        # The workers that all have begun: what follows is work.
        number = choice.workers or choice.jobs
        for _ in batch.run(engine, lambda item: 0, overwrite=False):
            if begun is None and batch.done >= 20 * number:
                begun = count_processor_seconds(find_workers(title)) + time.process_time(), batch.done
            if batch.done >= total - 20 * number and begun is not None and not pairs:
                workers = find_workers(title)
                seconds = count_processor_seconds(workers) + time.process_time() - begun[0]
                pairs = batch.done - begun[1]
    assert pairs > 0, "the batch is too short to be measured"
    return seconds, pairs


def compare(options: argparse.Namespace) -> None:
    estimator = EstimatorOptions(options.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = make_inputs(folder / "in", [options.frames] * options.clips, (options.height, options.height * 4 // 3))
        # With the folder of frames and the pair that make_inputs adds.
        total = options.clips * (options.frames - 1) + 5
        rates: dict[str, list[float]] = {"jobs": [], "ray": []}
        for number in range(options.rounds):
            for kind, choice in (
                ("jobs", EngineChoice(jobs=options.workers)),
                ("ray", EngineChoice("ray", address="local", workers=options.workers)),
            ):
                seconds, pairs = measure(inputs, total, folder / kind, choice, estimator)
                rates[kind].append(pairs / seconds)
                print(f"round {number}: {kind} {pairs} pairs, {pairs / seconds:.2f} per CPU-second", flush=True)
            assert results(folder / "jobs") == results(folder / "ray"), "results differ"
            for kind in rates:
                shutil.rmtree(folder / kind)
    ratios = [theirs / ours for theirs, ours in zip(rates["ray"], rates["jobs"], strict=True)]
    print(f"ray / jobs: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


# The driver alone.


class SimulatedCrew:
    """Workers that need no time: each tells of PART pairs what a real one tells in `seconds` per pair.

    Attributes:
        messages: number of messages that the driver has heard.
    """

    def __init__(self, workers: int, pairs: int, seconds: float, folder: Path) -> None:
        self._workers, self._pairs, self._seconds, self._folder = workers, pairs, seconds, folder
        self._busy: deque[tuple[Call, deque[list[Told]]]] = deque()
        self.messages = 0

    def prepare(self, jobs: Sequence[ItemJob]) -> None:
        pass

    def give(self, call: Call) -> bool:
        if len(self._busy) == self._workers:
            return False
        self._busy.append((call, deque(self._tell(call.job))))
        return True

    def hear(self, waiting: int) -> list[tuple[Call, list[Told] | Lost]]:
        call, left = self._busy.popleft()
        told: list[tuple[Call, list[Told] | Lost]] = [(call, left.popleft())]
        self.messages += 1
        if left:
            self._busy.append((call, left))
        return told

    def _tell(self, job: ItemJob) -> list[list[Told]]:
        together: list[list[Told]] = [[Started(self._pairs, None, 0)], []]
        since = 0.0
        parts = job.open_parts(self._pairs)
        mark = FileMark(10_000, time.time_ns())
        for part in parts:
            for pair in range(PART):
                since += self._seconds
                if since > INTERVAL:
                    together[-1].append(Advanced(part, pair + 1))
                    together.append([])
                    since = 0.0
            files = {f"{job.item.name}/{job.item.name}_{part * PART + pair:06d}.flo": mark for pair in range(PART)}
            together[-1].append(PartDone(part, PART, {task.output.kind: files for task in job.tasks}))
        total = count_parts(self._pairs)
        everything = len(job.done | set(parts)) == total
        files = {task.output.kind: {} for task in job.tasks}
        together[-1].append(Ended(self._pairs, total, files, None) if everything else Left(tuple(parts)))
        return together


def load_driver(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        image = folder / "in" / "0.png"
        image.parent.mkdir()
        import numpy as np

        write_image(image, np.zeros((8, 8, 3), np.uint8))
        shutil.copy(image, image.with_name("1.png"))
        items = [BatchItem(f"clip{number}", (str(image.parent),)) for number in range(options.items)]
        written = [0, 0.0]
        write = Journal._write

        def count(self: Journal, event: dict[str, object]) -> None:
            began = time.perf_counter()
            write(self, event)
            written[0] += 1
            written[1] += time.perf_counter() - began

        Journal._write = count
        for seconds in options.seconds:
            written[:] = 0, 0.0
            output = folder / f"out{seconds}"
            crew = SimulatedCrew(options.workers, options.pairs, seconds, output)
            batch = Batch(items, SETTINGS, output, {"model": "zero"})
            before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            for _ in batch.run(partial(run_in_crew, crew=crew), lambda item: options.pairs, overwrite=False):
                pass
            wall = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_SELF)
            busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            pairs = batch.done
            print(
                f"{options.workers} workers at {seconds:g} s per pair: {crew.messages / pairs:.3f} messages and "
                f"{written[0] / pairs:.3f} journal lines per pair; the driver bears {pairs / wall:,.0f} pairs per "
                f"second ({written[0] / wall:,.0f} lines per second, {1e6 * written[1] / written[0]:,.0f} us each, "
                f"{1e6 * busy / pairs:,.0f} us of processor per pair)",
                flush=True,
            )


# Ray alone.


class Talker:
    """Tells as a worker does, and does nothing else."""

    def talk(self, number: int) -> Iterator[list[Told]]:
        for pair in range(number):
            yield [Advanced(0, pair)]


def count_messages(options: argparse.Namespace) -> None:
    import ray

    from flowcli.jobs.ray_cluster import connect
    from flowcli.jobs.ray_crew import AHEAD

    connect("local")
    talkers = [
        cast("Any", ray.remote(Talker)).options(num_cpus=0, max_concurrency=options.workers // 2).remote()
        for _ in range(2)
    ]

    def stream(index: int, number: int) -> Any:
        talk = talkers[index % 2].talk.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
        return talk.remote(number)

    for index in range(2):
        list(stream(index, 1))
    before, began, heard = time.process_time(), time.perf_counter(), 0
    asked = [stream(index, options.messages) for index in range(options.workers)]
    while asked:
        ready, _ = ray.wait(asked, num_returns=1)
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        for one in ready:
            try:
                ray.get(next(one))
                heard += 1
            except StopIteration:
                asked.remove(one)
    wall, busy = time.perf_counter() - began, time.process_time() - before
    print(
        f"{options.workers} streams: {heard} messages, {heard / wall:,.0f} per second, "
        f"{1e6 * busy / heard:,.0f} us of the driver's processor each"
    )
    ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("overhead")
    one.add_argument("--rounds", type=int, default=3)
    one.add_argument("--workers", type=int, default=2)
    one.add_argument("--clips", type=int, default=12)
    one.add_argument("--frames", type=int, default=40, help="of a clip")
    one.add_argument("--height", type=int, default=96)
    one.add_argument("--model", default="dis")
    one.set_defaults(run=compare)
    two = commands.add_parser("driver")
    two.add_argument("--workers", type=int, default=64)
    two.add_argument("--items", type=int, default=300)
    two.add_argument("--pairs", type=int, default=160)
    two.add_argument("--seconds", type=float, nargs="+", default=[0.005, 0.1, 1.0])
    two.add_argument("--folder", help="where the journal is; default: the system's folder for temporary files")
    two.set_defaults(run=load_driver)
    three = commands.add_parser("messages")
    three.add_argument("--workers", type=int, default=64)
    three.add_argument("--messages", type=int, default=100)
    three.set_defaults(run=count_messages)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    sys.exit(main())
