"""One plan from a ceiling on the memory of a process, made before any work: how much is done at the same time.

What is computed never depends on it, nor do the bits of a result: only how many frames and results wait between the
stages of a sequence, and how many threads work side by side. Where even one after the other is too much, the work is
refused with the least that would do.

The model counts what lives at the same time, in bytes per pixel, with some room; `flowcli bench --ceiling 1` measures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flowcli.errors import UsageError
from flowcli.runtime.memory import resident_memory, return_freed_memory

GIB = 2**30
MIB = 2**20
DEPTH = 3
"""Frames that wait for the estimate, and results that wait to be written: enough to smooth out the slow ones."""

BARE_PROCESS = 320 * MIB
"""A process with torch, OpenCV and FFmpeg's libraries, where the system does not tell."""

ROOM = 8 * MIB
"""What the interpreter and the libraries take on the way."""

FRAME, FLOW = 3, 8
"""Bytes per pixel."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Footprint:
    """What a method holds at its peak for one pair, without the two frames; bytes.

    Attributes:
        alone: while a single thread works.
        shared: while all work, without what each of them needs.
        worker: what each needs.
        workers: how many work side by side.
        holes: of each of them that has worked, before a single one works.
    """

    alone: int
    shared: int = 0
    worker: int = 0
    workers: int = 1
    holes: int = 0

    def peak(self, workers: int) -> int:
        """Return the bytes with so many threads side by side."""
        return max(self.alone + workers * self.holes, self.shared + workers * self.worker)


@dataclass(frozen=True)
class Demand:
    """What surrounds the method in a process; everything in bytes.

    Attributes:
        size: (height, width) of the frames.
        pairs: how many there are; None: nobody knows.
        frame: of one frame; more than FRAME per pixel where it is estimated at another size.
        result: of one result.
        reading: while one frame is decoded.
        writing: while one result is written.
        kept: held from the first pair to the last: decoders and encoders of video.
        opened: of frames that are in memory before the work begins.
    """

    size: Size
    pairs: int | None
    frame: int
    result: int
    reading: int
    writing: int
    kept: int = 0
    opened: int = 0


@dataclass(frozen=True)
class Layout:
    """How the work is laid out.

    Attributes:
        depth: how many frames and results wait between stages; 0: the stages take turns.
        workers: threads side by side; None: all.
    """

    depth: int = DEPTH
    workers: int | None = None


UNLIMITED = Layout()
"""Without a ceiling."""


def predict_peak(layout: Layout, demand: Demand, footprint: Footprint, base: int) -> int:
    """Return the bytes of a process at its peak.

    Args:
        layout: how the work is laid out.
        demand: what surrounds the method.
        footprint: the method.
        base: of the process before it begins.
    """
    estimate = footprint.peak(layout.workers or footprint.workers)
    if layout.depth == 0 or demand.pairs == 1:
        # The source holds up to three frames. Decoding, estimating and writing take turns.
        frames = 2 if demand.pairs == 1 else 3
        stage = max(demand.reading, estimate, demand.result + demand.writing)
        return base + ROOM + demand.kept + max(0, frames * demand.frame - demand.opened) + stage
    # One is in the hands of either end of a queue.
    waiting = layout.depth + 2
    results = waiting if demand.pairs is None else min(waiting, demand.pairs)
    frames = 2 * waiting + 3 if demand.pairs is None else min(2 * waiting + 3, demand.pairs + 1)
    held = demand.kept + frames * demand.frame - demand.opened + results * demand.result
    return base + ROOM + held + demand.reading + estimate + demand.writing


def choose_layout(ceiling: float, demand: Demand, footprint: Footprint, name: str) -> Layout:
    """Return the fastest layout that stays below a ceiling.

    Args:
        ceiling: GiB for this process.
        demand: what surrounds the method.
        footprint: the method.
        name: of the input, for the message.

    Raises:
        UsageError: even the one that needs the least is too much.
    """
    return_freed_memory(demand.size)
    base = resident_memory() or BARE_PROCESS
    for layout in list_layouts(footprint.workers):
        if predict_peak(layout, demand, footprint, base) <= ceiling * GIB:
            return layout
    least = find_least(demand, footprint, base)
    height, width = demand.size
    raise UsageError(
        f"--memory {ceiling:.4g}: expected at least {least:.2f} for {width}x{height} frames ({name}); give more, or do "
        "less: fewer --jobs, each of which has its share, or --resize 0.5"
    )


def find_least(demand: Demand, footprint: Footprint, base: int) -> float:
    """Return the smallest ceiling in GiB that is not refused, in hundredths."""
    bytes_ = predict_peak(list_layouts(footprint.workers)[-1], demand, footprint, base)
    # What a process holds before it begins differs from run to run by some pages.
    return math.ceil((bytes_ + 4 * MIB) / GIB * 100) / 100


def list_layouts(workers: int) -> list[Layout]:
    """Return all layouts, the fastest first: waiting costs little, and idle threads the most."""
    layouts = [Layout(depth) for depth in range(DEPTH, -1, -1)]
    while workers > 1:
        workers = (workers + 1) // 2 if workers > 2 else 1
        layouts.append(replace(layouts[-1], workers=workers))
    return layouts
