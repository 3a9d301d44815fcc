"""Whole commands below ceilings of memory: what was asked for against what the process held at its peak.

Each command runs in a process of its own on images of noise; the system says how much it held. No torch here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Literal

from flowcli.benchmark.cases import Case, run_case
from flowcli.errors import EngineError

Command = Literal["estimate", "batch"]
COMMANDS: tuple[Command, ...] = ("estimate", "batch")
SIZES = ((1080, 1920), (2160, 3840), (4320, 7680))
"""(height, width) of Full HD, 4K and 8K."""

CEILINGS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""GiB."""

FRAMES = 4
"""Of a batch: enough for frames and results to wait for each other."""


@dataclass(frozen=True)
class Peak:
    """One command below one ceiling.

    Attributes:
        command: "estimate", a pair of images to one flow file, or "batch", a folder of FRAMES of them to a video.
        size: (height, width) of the frames.
        asked: the ceiling in GiB; None: none was given.
        held: GiB at the peak.
        seconds: of the whole command.
        refused: what it said where the ceiling was too low for it; None: it did the work.
    """

    command: Command
    size: tuple[int, int]
    asked: float | None
    held: float
    seconds: float
    refused: str | None


def measure_ceilings(
    sizes: Sequence[tuple[int, int]],
    ceilings: Sequence[float | None],
    options: Sequence[str] = (),
    announce: Callable[[str], None] = lambda text: None,
) -> list[Peak]:
    """Run both commands at every size below every ceiling, one after the other.

    Args:
        sizes: (height, width) of frames.
        ceilings: in GiB; None for no ceiling.
        options: of both commands, such as --preset fast.
        announce: is told of each run before it begins.

    Raises:
        EngineError: a command failed for another reason than its ceiling.
    """
    peaks: list[Peak] = []
    for size in sizes:
        with TemporaryDirectory(prefix="flowcli-bench-") as name:
            folder = Path(name)
            # In a process of its own: a child's peak may begin with what its parent held.
            run_case(Case("frames", "zero", size=size, path=str(folder / "frames"), repeats=FRAMES))
            for command, asked in product(COMMANDS, ceilings):
                below = "" if asked is None else f" --memory {asked:g}"
                announce(f"{command} {size[1]}x{size[0]}{below}")
                peaks.append(_measure(command, size, asked, options, folder))
    return peaks


def _measure(
    command: Command, size: tuple[int, int], asked: float | None, options: Sequence[str], folder: Path
) -> Peak:
    frames = sorted((folder / "frames").iterdir())
    arguments = [str(frames[0]), str(frames[1]), "-o", str(folder / "flow.flo")]
    if command == "batch":
        # What a run before made would be left as it is.
        rmtree(folder / "results", ignore_errors=True)
        arguments = [str(folder / "frames"), "-o", str(folder / "results")]
    memory = [] if asked is None else ["--memory", f"{asked:g}"]
    whole = [sys.executable, "-m", "flowcli", command, *arguments, "--overwrite", *memory, *options]
    log = folder / "stderr"
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    refused = next((line for line in said if "--memory" in line and "expected at least" in line), None)
    if code and refused is None:
        raise EngineError(f"{command} at {size[1]}x{size[0]}: {said[-1] if said else f'exit code {code}'}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Peak(command, size, asked, usage.ru_maxrss * unit / 2**30, seconds, refused)


def format_ceilings(peaks: Sequence[Peak]) -> str:
    """Return a table: asked and held in GiB, seconds; what was refused, with the least that it needs."""
    lines = [f"{'command':9} {'size':>10} {'asked':>6} {'peak':>6} {'seconds':>8}"]
    for peak in peaks:
        size = f"{peak.size[1]}x{peak.size[0]}"
        asked = "-" if peak.asked is None else f"{peak.asked:g}"
        start = f"{peak.command:9} {size:>10} {asked:>6}"
        if peak.refused is not None:
            _, _, least = peak.refused.partition("expected at least ")
            lines.append(f"{start} {'refused, at least ' + least.split()[0]}")
        else:
            over = " over" if peak.asked is not None and peak.held > peak.asked else ""
            lines.append(f"{start} {peak.held:6.2f} {peak.seconds:8.1f}{over}")
    return "\n".join(lines)
