"""Kill a batch at random moments, restart it, and compare with a run that was left alone.

    python tests/kill_batch.py --kills 100 --model dis --jobs 2
    python tests/kill_batch.py --kills 100 --shards 3
    python tests/kill_batch.py --kills 100 --outputs video --signal TERM
    python tests/kill_batch.py --kills 100 --change-outputs

Makes several clips, runs `flowcli batch` on them once undisturbed, and then again and again with a signal at random
moments until it gets through; when it does, from the beginning, until there were as many kills as asked for. With
--shards the batch runs in so many parts at once, and all of them are killed. With --change-outputs every run asks for
other outputs or another style, with --overwrite, into the same folder. Prints the counts and exits with 1 unless all of
them are 0:

    lost       files that the undisturbed run made and the killed one did not, or the other way round; files that were
               there before a kill and not after it
    partial    files under their final name, right after a kill, that are not complete
    different  files that differ at the end
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flowcli.io.atomic import TEMPORARY_PREFIX
from flowcli.io.image import write_image

# Names relative to the output folder, and what the files hold.
Files = dict[str, bytes]
Allowed = dict[str, set[bytes]]


@dataclass
class Counts:
    kills: int = 0
    at_work: int = 0
    rounds: int = 0
    lost: int = 0
    partial: int = 0
    different: int = 0

    @property
    def clean(self) -> bool:
        return self.lost == self.partial == self.different == 0


def make_inputs(folder: Path, lengths: list[int], size: tuple[int, int] = (48, 64)) -> list[str]:
    """Clips of the given numbers of frames, a folder of frames and a list with one pair; returns the arguments."""
    import imageio_ffmpeg

    rng = np.random.default_rng(0)
    height, width = size
    texture = rng.integers(0, 256, (height // 4 + 64, width // 4 + 64, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    folder.mkdir(parents=True)
    for number, length in enumerate(lengths):
        frames = [texture[k % 64 : k % 64 + height, 2 * k % 128 : 2 * k % 128 + width] for k in range(length)]
        suffix = (".mp4", ".mkv")[number % 2]
        options = ["-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p", str(folder / f"clip{number}{suffix}")]
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", "-"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *raw, *options]
        subprocess.run(command, input=np.stack(frames).tobytes(), check=True)
    for k in range(5):
        (folder / "frames").mkdir(exist_ok=True)
        write_image(folder / "frames" / f"{k}.png", np.ascontiguousarray(texture[k : k + height, :width]))
    pairs = folder / "pairs.csv"
    pairs.write_text("name,frame1,frame2\npair,frames/0.png,frames/1.png\n")
    return [str(folder), str(pairs)]


def results(folder: Path) -> Files:
    """Every file under its final name."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    final = {name: path for name, path in files.items() if name.parts[0] != ".flowcli"}
    return {str(n): p.read_bytes() for n, p in final.items() if not n.name.startswith(TEMPORARY_PREFIX)}


def check_now(found: Files, allowed: Allowed, counts: Counts) -> None:
    """After a kill: what has its final name must be what some undisturbed run makes."""
    counts.partial += sum(content not in allowed.get(name, ()) for name, content in found.items())


def check_end(found: Files, expected: Files, allowed: Allowed, counts: Counts) -> None:
    """After a run that got through: its own files are as expected, and others as some undisturbed run makes them."""
    counts.rounds += 1
    counts.lost += len(expected.keys() - found.keys()) + len(found.keys() - allowed.keys())
    counts.different += sum(content != found.get(name, content) for name, content in expected.items())
    counts.different += sum(
        found[name] not in allowed[name] for name in found.keys() & allowed.keys() - expected.keys()
    )


def allow(*runs: Files) -> Allowed:
    """Return what each file may hold, given the results of undisturbed runs."""
    allowed: Allowed = {}
    for files in runs:
        for name, content in files.items():
            allowed.setdefault(name, set()).add(content)
    return allowed


def list_sizes(folder: Path) -> dict[Path, int]:
    """Sizes of all files that are there; a batch may be at work and remove some of them."""
    sizes: dict[Path, int] = {}
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(FileNotFoundError):
                sizes[path] = path.stat().st_size
    return sizes


def run_forked(arguments: list[str], errors: Path) -> None:
    """In a fork of this process: run the command line, with what it says on stderr in a file."""
    for descriptor, path in ((1, Path(os.devnull)), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = ["flowcli", *arguments]
    from flowcli.cli.app import main

    main()


@dataclass(frozen=True)
class Killer:
    """Runs batches at once, and kills them.

    Attributes:
        output: the folder that they write to.
        sign: the signal.
        longest: seconds that an undisturbed run takes; kills are spread evenly over it, one in four from the start of
            the run and the others from its first change of a file, as the start of processes may take most of it.
        random: chooses the moments.
    """

    output: Path
    sign: signal.Signals
    longest: float
    random: random.Random

    def run(self, batches: list[list[str]], *, to_the_end: bool) -> bool:
        """Run batches with these arguments, and return whether they got through; one that fails ends the program."""
        delay = math.inf if to_the_end else self.random.uniform(0, self.longest)
        from_change = not to_the_end and self.random.random() < 0.75
        sizes = list_sizes(self.output)
        errors = self.output.with_name("errors.txt")
        errors.write_text("")
        # A fork has its libraries loaded already: kills hit the work, and not the imports before it.
        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=run_forked, args=(arguments, errors)) for arguments in batches]
        for process in processes:
            process.start()
        while from_change and list_sizes(self.output) == sizes and any(process.is_alive() for process in processes):
            time.sleep(0.01)
        deadline = time.monotonic() + delay
        for process in processes:
            process.join(None if to_the_end else max(0, deadline - time.monotonic()))
        is_killed = any(process.is_alive() for process in processes)
        for process in processes:
            if process.is_alive():
                assert process.pid is not None
                os.kill(process.pid, self.sign)
            process.join()
        if not is_killed and any(process.exitcode for process in processes):
            raise SystemExit(f"the batch failed:\n{errors.read_text()}")
        return not is_killed


def kill_at_random(killer: Killer, runs: list[list[list[str]]], references: list[Files], kills: int) -> Counts:
    """Kill so many times, whichever of `runs` it is; the first of them gets through again and again, and is compared.

    Args:
        killer: does it.
        runs: for each kind of run the arguments of its batches, which go at once.
        references: the files that each kind makes when it is left alone.
        kills: how many.
    """
    counts, allowed, output = Counts(), allow(*references), killer.output
    while True:
        sizes, before = list_sizes(output), results(output)
        is_last = counts.kills >= kills
        kind = 0 if is_last else killer.random.randrange(len(runs))
        got_through = killer.run(runs[kind], to_the_end=is_last)
        found = results(output)
        counts.lost += len(before.keys() - found.keys())
        if not got_through:
            counts.kills += 1
            counts.at_work += list_sizes(output) != sizes
            check_now(found, allowed, counts)
        elif kind == 0:
            check_end(found, references[0], allowed, counts)
            if is_last:
                return counts
            shutil.rmtree(output)


OUTPUTS = {
    "both": ["--format", "flo", "-v", "mp4", "--backward"],
    "flow": ["--format", "flo"],
    "video": ["-v", "mp4"],
}
# What --change-outputs changes between: outputs beside each other, and another style of the same.
CHANGES = [
    OUTPUTS["both"],
    OUTPUTS["flow"],
    ["-v", "webm", "--occlusion"],
    ["-v", "mp4", "--backward", "--style", "hsv"],
    ["--format", "flo", "--resize", "0.5"],
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--model", default="dis")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--outputs", choices=OUTPUTS, default="both")
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--change-outputs", action="store_true")
    parser.add_argument("--size", default="192x144", help="WIDTHxHEIGHT of the frames; smaller ones take less time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        width, height = map(int, options.size.split("x"))
        inputs = make_inputs(folder / "in", [40, 75, 100, 33], (height, width))
        from flowcli import estimator  # noqa: F401 - before it is forked

        def batch(output: Path, chosen: list[str], shard: str = "1/1") -> list[str]:
            how = ["--model", options.model, "--jobs", str(options.jobs), "--shard", shard, *chosen]
            how += ["--overwrite"] if options.change_outputs else []
            return ["batch", *inputs, "-o", str(output), *how]

        kinds = CHANGES if options.change_outputs else [OUTPUTS[options.outputs]]
        references: list[Files] = []
        killer = Killer(folder / "out", signal.Signals[f"SIG{options.signal}"], 0, random.Random(options.seed))
        for number, chosen in enumerate(kinds):
            began = time.monotonic()
            killer.run([batch(folder / f"reference{number}", chosen)], to_the_end=True)
            killer = replace(killer, longest=max(killer.longest, time.monotonic() - began))
            references.append(results(folder / f"reference{number}"))
        shards = [f"{k + 1}/{options.shards}" for k in range(options.shards)]
        runs = [[batch(folder / "out", chosen, shard) for shard in shards] for chosen in kinds]
        counts = kill_at_random(killer, runs, references, options.kills)
    print(
        f"{counts.kills} kills, {counts.at_work} of them while it wrote, in {counts.rounds} rounds: "
        f"{counts.lost} lost, {counts.partial} partial, {counts.different} different"
    )
    sys.exit(0 if counts.clean else 1)


if __name__ == "__main__":
    main()
