"""Which frames of a sequence are wanted, and where the frames of a folder or glob lie, in the order a person means."""

from __future__ import annotations

import glob
import math
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from flowcli.errors import InputError, UsageError
from flowcli.io.image import IMAGE_SUFFIXES
from flowcli.io.own_results import leave_out_results

# What file managers leave behind.
_SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini"})
_TIMESTAMP = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?", re.ASCII)
# Python counts no further than 2^63 in places, which has 19 digits.
_LONGEST_MOMENT = 18


@dataclass(frozen=True)
class Moment:
    """A place in a sequence: a frame number (int, from 0) or a time (Fraction, seconds from the first frame)."""

    value: int | Fraction

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read `120` as a frame number and `4s`, `4.5`, `1:30` or `1:02:03.5` as a time.

        Raises:
            ValueError: anything else.
        """
        match = _TIMESTAMP.fullmatch(text) if len(text) <= _LONGEST_MOMENT else None
        if match is not None and text.isdigit():
            return cls(int(text))
        if match is None:
            raise ValueError(f"expected a frame number such as 120 or a time such as 4.5s or 1:02:03, got {text!r}")
        hours, minutes, seconds = match.groups()
        return cls(Fraction(seconds) + 60 * int(minutes or 0) + 3600 * int(hours or 0))

    def index(self, times: Sequence[Fraction] | None, fps: Fraction) -> int:
        """Return the number of the first frame at or after this moment.

        Args:
            times: seconds of every known frame, ascending; None where frames come at a fixed rate.
            fps: that rate, in frames per second.
        """
        if isinstance(self.value, int):
            return self.value
        return math.ceil(self.value * fps) if times is None else bisect_left(times, self.value)


@dataclass(frozen=True)
class Selection:
    """Frames start, start + stride, start + 2 stride, ... before end; the defaults take every frame.

    Attributes:
        start: the first frame; None for the first there is.
        end: the frame to stop before; None for all.
        stride: frames from one to the next.
        sample_fps: frames per second to take, instead of a stride, which follows from the rate of the input.
    """

    start: Moment | None = None
    end: Moment | None = None
    stride: int = 1
    sample_fps: Fraction | None = None

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise UsageError(f"expected a stride of at least 1 frame, got {self.stride}")
        if self.sample_fps is not None and self.stride != 1:
            raise UsageError("expected either a stride or a number of frames per second, got both")

    def step(self, length: int | None, fps: Fraction) -> int:
        """Return the stride in a sequence of `length` frames (None: unknown) at `fps` frames per second.

        For frames per second as data-juicer and VBench have it: round(fps / sample_fps), at least 1, and not so much
        that a single frame would be left.
        """
        if self.sample_fps is None:
            return self.stride
        step = max(1, math.floor(fps / self.sample_fps + Fraction(1, 2)))
        return step if length is None else max(1, min(step, length - 1))

    def indices(
        self, length: int | None, fps: Fraction, times: Sequence[Fraction] | None = None
    ) -> tuple[int, int | None]:
        """Return (first, stop) as frame numbers; stop is None when neither the end nor the length is known."""
        first = 0 if self.start is None else self.start.index(times, fps)
        stop = length if self.end is None else self.end.index(times, fps)
        if length is not None and stop is not None:
            stop = min(stop, length)
        return first, stop


def natural_key(path: Path) -> tuple[tuple[int, str, int], ...]:
    """Return a key that sorts `frame2` before `frame10`, and is total: equal only for equal names."""
    parts = re.split(r"(\d+)", path.name)
    return (
        *((0, part.casefold(), 0) if k % 2 == 0 else (1, "", int(part)) for k, part in enumerate(parts)),
        (2, path.name, 0),
    )


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order; its sub-folders are not searched.

    Hidden files are left out, and what is called as this program's own results are, such as 001.flow.png.
    """
    return survey_folder(folder)[0]


def survey_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images of a folder and its files that are none, both in natural order.

    Hidden files are in neither, and results of this program, by their names, are no images.
    """
    images: list[Path] = []
    others: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SYSTEM_FILES or entry.is_dir():
                continue
            path = folder / entry.name
            (images if path.suffix.lower() in IMAGE_SUFFIXES else others).append(path)
    return sorted(leave_out_results(images), key=natural_key), sorted(others, key=natural_key)


def find_gaps(paths: Sequence[Path]) -> list[tuple[Path, Path, int]]:
    """Return where numbers are missing in a sequence of files: the files before and after, and how many between them.

    Only names that differ in one number are compared. Frames may be numbered in steps (0, 10, 20 ...): what most
    neighbours have is the step, unless there are neighbours one apart.
    """
    steps = [_step_between(first, second) for first, second in pairwise(paths)]
    counts = Counter(step for step in steps if step)
    if not counts:
        return []
    usual = 1 if 1 in counts else counts.most_common(1)[0][0]
    # Times instead of numbers have no step.
    if usual > 1 and counts[usual] * 2 < counts.total():
        return []
    return [
        (first, second, step // usual - 1)
        for (first, second), step in zip(pairwise(paths), steps, strict=True)
        if step is not None and step > usual and step % usual == 0
    ]


def _step_between(first: Path, second: Path) -> int | None:
    # "a_009.png", "a_012.png" -> 3; None where anything else differs.
    before, after = (re.split(r"(\d+)", path.name) for path in (first, second))
    if len(before) != len(after):
        return None
    different = [k for k, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if len(different) != 1 or different[0] % 2 == 0:
        return None
    return int(after[different[0]]) - int(before[different[0]])


def expand_glob(pattern: str) -> list[Path]:
    """Return the files that a glob names, in natural order.

    Raises:
        InputError: if there is none.
    """
    # Path.glob refuses absolute patterns.
    found = [path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file()]  # noqa: PTH207
    if not found:
        raise InputError(f"{pattern}: no file matches this pattern")
    return sorted(found, key=natural_key)
