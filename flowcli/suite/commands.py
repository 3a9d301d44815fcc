"""Whole commands, from the start of their process to its end: videos, a batch of clips, and next to nothing.

Ours are `flowcli estimate` and `flowcli batch`; DIS and Farneback are a script that knows OpenCV alone, which is what
they cost without us.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from flowcli.errors import EngineError
from flowcli.suite import opencv_alone
from flowcli.suite.contestants import OPENCV, TRANSFORMERS, Contestant
from flowcli.suite.material import Task, make_material
from flowcli.suite.pairs import Announce, Row, compare
from flowcli.suite.scope import Fault, Part, Run, megapixels
from flowcli.suite.workers import Figures, last_line, worker_command

START_SIZE = (64, 64)
Command = Callable[[Contestant], list[str] | None]
"""What a contestant runs; None: it does not take part."""


def measure_videos(run: Run, faults: list[Fault], announce: Announce) -> list[Row]:
    """Time a video of each size, to a video of its flow."""
    rows: list[Row] = []
    frames = run.scope.video_frames
    for size in run.scope.video_sizes:
        clip, output = run.folder / "clip.mp4", run.folder / "video-flow"
        make_material([Task("clip", str(clip), size, frames, 3)])

        def command(one: Contestant, clip: Path = clip, output: Path = output) -> list[str] | None:
            if one.model in OPENCV:
                return _alone(one, run, output, [clip])
            return _ours("estimate", one, run, [clip, "-v", output / "flow.mp4"])

        label = f"video: {frames} frames of {size[1]}x{size[0]}"
        for row in _measure(run, "video", command, output, label, faults, announce):
            pairs = frames - 1
            rows.append({"size": list(size), "megapixels": megapixels(size), "pairs": pairs, **row} | _rate(row, pairs))
    return rows


def measure_batch(run: Run, faults: list[Fault], announce: Announce) -> list[Row]:
    """Time a batch of short clips, to videos of their flow."""
    scope, folder, output = run.scope, run.folder / "clips", run.folder / "batch-flow"
    clips = [folder / f"{number:02d}.mp4" for number in range(scope.clips)]
    make_material([Task("clip", str(clip), scope.clip_size, scope.clip_frames, k) for k, clip in enumerate(clips)])

    def command(one: Contestant) -> list[str] | None:
        if one.model in OPENCV:
            return _alone(one, run, output, clips)
        return _ours("batch", one, run, [folder, "-o", output, "-v", "mp4"])

    size, pairs = scope.clip_size, scope.clips * (scope.clip_frames - 1)
    label = f"batch: {scope.clips} clips of {scope.clip_frames} frames of {size[1]}x{size[0]}"
    about: Row = {"clips": scope.clips, "size": list(size), "pairs": pairs}
    return [about | row | _rate(row, pairs) for row in _measure(run, "batch", command, output, label, faults, announce)]


def measure_start(run: Run, faults: list[Fault], announce: Announce) -> list[Row]:
    """Time one pair of 64x64, nearly all of which is the start and the end of the process."""
    images, output = run.folder / "images", run.folder / "start-flow"
    make_material([Task("images", str(images), START_SIZE, number=3)])
    pair = [images / "0.png", images / "1.png"]

    def command(one: Contestant) -> list[str] | None:
        if one.model in OPENCV:
            return _alone(one, run, output / "flow.flo", pair)
        if one.name == TRANSFORMERS:
            return worker_command(one, run)
        return _ours("estimate", one, run, [*pair, "-o", output / "flow.flo"])

    # To the network of transformers, which has no command of its own.
    pair_of_arrays = run.folder / "start.npz"
    make_material([Task("pair", str(pair_of_arrays), START_SIZE, number=3)])
    request = run.folder / "request"
    request.write_text(json.dumps({"pair": str(pair_of_arrays)}) + "\n", encoding="utf-8")
    return _measure(
        run, "start", command, output, "start: a pair of 64x64", faults, announce, stdin=request, tiled=True
    )


def _ours(verb: str, one: Contestant, run: Run, arguments: Sequence[object]) -> list[str]:
    threads = [] if run.threads is None else ["--threads", str(run.threads)]
    device = [] if run.device == "auto" or one.weights == "none" else ["--device", run.device]
    return [sys.executable, "-m", "flowcli", verb, *map(str, arguments), *one.flags, *threads, *device]


def _alone(one: Contestant, run: Run, output: Path, inputs: Sequence[Path]) -> list[str]:
    # As text: as a file, it would bring our package's folder into its path.
    source = Path(opencv_alone.__file__).read_text(encoding="utf-8")
    threads = "-" if run.threads is None else str(run.threads)
    return [sys.executable, "-c", source, one.model, threads, str(output), *map(str, inputs)]


def _rate(row: Row, pairs: int) -> Row:
    seconds = row["seconds"]
    assert isinstance(seconds, dict)
    return {"pairs_per_second": pairs / seconds["median"]}


def _measure(
    run: Run,
    part: Part,
    command: Command,
    output: Path,
    label: str,
    faults: list[Fault],
    announce: Announce,
    *,
    stdin: Path | None = None,
    tiled: bool = False,
) -> list[Row]:
    taking_part = [one for one in run.contestants if tiled or not one.is_tiled]
    answers: dict[Contestant, list[Figures]] = {}
    for number in range(run.scope.command_rounds):
        announce(f"{label}, round {number + 1} of {run.scope.command_rounds}")
        for one in list(taking_part):
            words = command(one)
            if words is None:
                continue
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            try:
                answers.setdefault(one, []).append(run_command(words, run.folder / "stderr", stdin))
            except EngineError as error:
                faults.append(Fault(part, one.name, str(error)))
                taking_part.remove(one)
                answers.pop(one, None)
    shutil.rmtree(output, ignore_errors=True)
    return compare(answers)


def run_command(words: Sequence[str], log: Path, stdin: Path | None = None) -> Figures:
    """Run a command to its end; returns "seconds", "cpu_seconds" and "peak_gib".

    Args:
        words: of the command.
        log: gets what it says on stderr.
        stdin: what it reads, or None for nothing.

    Raises:
        EngineError: it failed.
    """
    with log.open("wb") as stderr, Path(stdin or os.devnull).open("rb") as source:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdin=source, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        raise EngineError(last_line(log) or f"exit code {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_gib": usage.ru_maxrss * unit / 2**30,
    }
