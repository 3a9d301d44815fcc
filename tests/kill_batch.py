"""Kill a batch at random moments, restart it, and compare with a run that was left alone.

    python tests/kill_batch.py --kills 100 --model dis --jobs 2
    python tests/kill_batch.py --kills 100 --shards 3

Makes several clips, runs `flowcli batch` on them once undisturbed, and then again and again with `kill -9` at random
moments until it gets through; when it does, from the beginning, until there were as many kills as asked for. With
--shards the batch runs in so many parts at once, and all of them are killed. Prints the counts and exits with 1 unless
all of them are 0:

    lost       files that the undisturbed run made and the killed one did not, or the other way round
    partial    files under their final name, right after a kill, that are not complete
    different  files that differ at the end
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowcli.io.atomic import TEMPORARY_PREFIX
from flowcli.io.image import write_image


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


def results(folder: Path) -> dict[str, bytes]:
    """Every file under its final name."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    final = {name: path for name, path in files.items() if name.parts[0] != ".flowcli"}
    return {str(n): p.read_bytes() for n, p in final.items() if not n.name.startswith(TEMPORARY_PREFIX)}


def check_now(found: dict[str, bytes], reference: dict[str, bytes], counts: Counts) -> None:
    """After a kill: what has its final name must be what it will be in the end."""
    counts.partial += sum(content != reference.get(name) for name, content in found.items())


def check_end(found: dict[str, bytes], reference: dict[str, bytes], counts: Counts) -> None:
    """After a run that got through."""
    counts.rounds += 1
    counts.lost += len(found.keys() ^ reference.keys())
    counts.different += sum(found[name] != reference[name] for name in found.keys() & reference.keys())


def list_sizes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def kill_at_random(
    commands: list[list[str]], output: Path, reference: Path, kills: int, seed: int, longest: float
) -> Counts:
    """Run `commands` at once, which write to `output`, until they were killed so many times and then got through.

    Kills are spread evenly over `longest`, the seconds that an undisturbed run takes.
    """
    rng, counts, expected = random.Random(seed), Counts(), results(reference)
    while True:
        before = list_sizes(output)
        began = time.monotonic()
        deadline = math.inf if counts.kills >= kills else began + rng.uniform(0, longest)
        processes = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands
        ]
        ended: list[tuple[int, bytes]] = []
        try:
            for process in processes:
                left = None if deadline == math.inf else max(0, deadline - time.monotonic())
                _, errors = process.communicate(timeout=left)
                ended.append((process.returncode, errors))
        except subprocess.TimeoutExpired:
            for process in processes:
                process.kill()
            for process in processes:
                process.communicate()
            counts.kills += 1
            counts.at_work += list_sizes(output) != before
            check_now(results(output) if output.exists() else {}, expected, counts)
            continue
        for code, errors in ended:
            if code:
                raise SystemExit(f"the batch failed with exit code {code}:\n{errors.decode()}")
        check_end(results(output), expected, counts)
        if counts.kills >= kills:
            return counts
        shutil.rmtree(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--model", default="dis")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = make_inputs(folder / "in", [40, 75, 100, 33], (144, 192))

        def command(output: Path, shard: str = "1/1") -> list[str]:
            chosen = ["--model", options.model, "--jobs", str(options.jobs), "--format", "flo", "-v", "mp4"]
            chosen += ["--shard", shard, "--backward"]
            return [sys.executable, "-m", "flowcli", "batch", *inputs, "-o", str(output), *chosen]

        began = time.monotonic()
        subprocess.run(command(folder / "reference"), check=True, stdout=subprocess.DEVNULL)
        longest = time.monotonic() - began
        parts = [command(folder / "out", f"{k + 1}/{options.shards}") for k in range(options.shards)]
        counts = kill_at_random(parts, folder / "out", folder / "reference", options.kills, options.seed, longest)
    print(
        f"{counts.kills} kills, {counts.at_work} of them while it wrote, in {counts.rounds} rounds: "
        f"{counts.lost} lost, {counts.partial} partial, {counts.different} different"
    )
    sys.exit(0 if counts.clean else 1)


if __name__ == "__main__":
    main()
