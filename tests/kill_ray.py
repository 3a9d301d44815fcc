"""Kill nodes, drivers and workers of a batch on a Ray cluster at random moments, and compare with a run in one process.

    python tests/kill_ray.py --kills 10
    python tests/kill_ray.py --kills 100 --what worker --model dis

Starts a cluster on this machine, a head without CPUs and two nodes, makes twenty short clips and a long one, and runs
`flowcli batch --engine ray` on them again and again, from the beginning whenever it got through. A node that was killed
is replaced by a new one, a driver by the same command. Prints the counts of tests/kill_batch.py for each kind of kill,
and exits with 1 unless nothing was lost, partial or different.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kill_batch import Counts, Files, allow, check_end, check_now, list_sizes, make_inputs, results

LENGTHS = [*[18, 20, 33] * 6, 18, 200, 20]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@contextmanager
def start_cluster(nodes: int = 2) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster of this process: a head without CPUs, and so many nodes; nothing of it is left after the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Of what a node waits for of its own helpers, on a busy machine.
    os.environ.setdefault("RAY_agent_register_timeout_ms", "300000")
    from ray.cluster_utils import Cluster

    head = NODE | {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster, [add_node(cluster) for _ in range(nodes)]
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> Any:
    """Start a node; Ray gives one up after 30 seconds, which are too few where others want the processor."""
    for _ in range(4):
        with suppress(Exception):  # that is all that Ray raises
            return cluster.add_node(**NODE)
    raise SystemExit("no node could be started")


def list_workers(nodes: list[Any]) -> list[int]:
    """Process ids of the actors that run on these nodes."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in nodes if "raylet" in node.all_processes}
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            title = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if title.startswith(b"ray::RayWorker") and parent in raylets:
                found.append(int(folder.name))
    return found


@dataclass
class Killer:
    """Runs the batch on a cluster, and kills.

    Attributes:
        cluster: Ray's.
        nodes: of it, without the head.
        command: of the batch.
        output: the folder that it writes to.
        longest: seconds that the work takes when it is left alone.
        random: chooses moments and victims.
    """

    cluster: Any
    nodes: list[Any]
    command: list[str]
    output: Path
    random: random.Random
    longest: float = 0
    errors: Path = field(init=False)

    def __post_init__(self) -> None:
        self.errors = self.output.with_name("errors.txt")

    def start(self) -> subprocess.Popen[bytes]:
        """Start a driver, and wait until it works or has ended."""
        with self.errors.open("wb") as errors:
            driver = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=errors)
        journal = self.output / ".flowcli" / "journal.jsonl"
        before = journal.stat().st_size if journal.exists() else 0
        while driver.poll() is None and (not journal.exists() or journal.stat().st_size == before):
            time.sleep(0.01)
        return driver

    def wait(self, driver: subprocess.Popen[bytes]) -> None:
        """Wait until a driver gets through; ends the program if it does not."""
        if driver.wait(300):
            raise SystemExit(f"the batch failed:\n{self.errors.read_text()}")

    def kill_node(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill a node with all that runs on it, and start another."""
        victim = self.nodes.pop(self.random.randrange(len(self.nodes)))
        self.cluster.remove_node(victim, allow_graceful=False)
        self.nodes.append(add_node(self.cluster))

    def kill_worker(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill a worker, as lack of memory does."""
        if workers := list_workers(self.nodes):
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(workers), signal.SIGKILL)

    def kill_driver(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill the driver."""
        driver.kill()
        driver.wait()

    def run(self, kills: int, kill: Callable[[subprocess.Popen[bytes]], None], expected: Files) -> Counts:
        """Kill so many times, and compare whenever a batch gets through."""
        counts, allowed = Counts(), allow(expected)
        shutil.rmtree(self.output, ignore_errors=True)
        while True:
            driver = self.start()
            while counts.kills < kills:
                with suppress(subprocess.TimeoutExpired):
                    driver.wait(self.random.uniform(0, self.longest))
                if driver.poll() is not None:
                    break
                sizes = list_sizes(self.output)
                time.sleep(0.05)
                counts.at_work += list_sizes(self.output) != sizes
                kill(driver)
                counts.kills += 1
                check_now(results(self.output), allowed, counts)
                if driver.poll() is not None:
                    driver = self.start()
            self.wait(driver)
            check_end(results(self.output), expected, allowed, counts)
            if counts.kills == kills:
                return counts
            shutil.rmtree(self.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--what", choices=["node", "driver", "worker"], action="append")
    parser.add_argument("--model", default="variational")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    is_clean = True
    with tempfile.TemporaryDirectory() as name, start_cluster() as (cluster, nodes):
        folder = Path(name)
        batch = [
            sys.executable,
            "-m",
            "flowcli",
            "batch",
            *make_inputs(folder / "in", LENGTHS),
            "--model",
            options.model,
        ]
        began = time.monotonic()
        subprocess.run([*batch, "-o", str(folder / "reference")], stdout=subprocess.DEVNULL, check=True)
        expected = results(folder / "reference")
        command = [*batch, "-o", str(folder / "out"), "--engine", "ray", "--address", cluster.address]
        killer = Killer(cluster, nodes, command, folder / "out", random.Random(options.seed))
        print(f"{len(expected)} files in {time.monotonic() - began:.1f} s by one process", flush=True)
        driver = killer.start()
        began = time.monotonic()
        killer.wait(driver)
        killer.longest = time.monotonic() - began
        print(f"the work takes {killer.longest:.1f} s on the cluster", flush=True)
        for what in options.what or ["node", "driver", "worker"]:
            counts = killer.run(options.kills, getattr(killer, f"kill_{what}"), expected)
            print(
                f"{what}: {counts.kills} kills, {counts.at_work} of them while it wrote, in {counts.rounds} rounds: "
                f"{counts.lost} lost, {counts.partial} partial, {counts.different} different",
                flush=True,
            )
            is_clean &= counts.clean
    sys.exit(0 if is_clean else 1)


if __name__ == "__main__":
    main()
