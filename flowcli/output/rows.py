"""Motion statistics of one clip as lines of JSON, one per pair, and the segments that such a file is joined from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

from flowcli.errors import FormatError, OutputError
from flowcli.flow import FlowField
from flowcli.io.atomic import replace_when_complete, write_bytes
from flowcli.io.sources import FramePair
from flowcli.motion.measure import measure_motion
from flowcli.motion.options import MotionOptions

# A line has some thirty numbers and the name of a frame.
_LONGEST_LINE = 2**16


class RowSink(AbstractContextManager["RowSink"]):
    """Measures some pairs and writes their rows when it is left; it holds them until then."""

    def __init__(self, path: Path, rate: Fraction, options: MotionOptions) -> None:
        """Write to `path`; `rate` is the frames per second of the video, all its frames counted."""
        self._path, self._rate, self._options = path, float(rate), options
        self._lines: list[str] = []

    def write(self, pair: FramePair, forward: FlowField, backward: FlowField | None) -> None:
        """Measure one pair, unless it is the one before over again."""
        if pair.repeats:
            return
        height, width = forward.size
        back = backward if self._options.consistency else None
        row: dict[str, object] = {
            "frame": pair.name,
            "time": float(pair.time),
            "duration": float(pair.duration),
            "width": width,
            "height": height,
        }
        row |= measure_motion(pair.frame1, pair.frame2, forward, back, self._rate, self._options)
        # float32 has seven digits; what rounding leaves behind them says nothing.
        short = {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in row.items()}
        self._lines.append(json.dumps(short, allow_nan=False))

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Write the rows, or drop them after an exception."""
        if kind is None:
            write_bytes(self._path, "".join(f"{line}\n" for line in self._lines).encode("ascii"))


def join_rows(segments: Iterable[tuple[Path, Fraction]], path: Path) -> None:
    """Join files of rows into one, numbered from 0; each comes with the seconds that its times count from.

    Raises:
        OutputError: a segment is gone or damaged, or the file cannot be written.
    """
    number = 0
    with replace_when_complete(path) as temporary, temporary.open("w", encoding="ascii") as stream:
        for segment, begin in segments:
            try:
                rows = list(read_rows(segment))
            except (FormatError, OSError) as error:
                raise OutputError(f"{segment}: the rows of a part cannot be read: {error}") from error
            for row in rows:
                time = row["time"]
                assert isinstance(time, float)
                joined = {"pair": number} | row | {"time": float(f"{float(begin) + time:.9g}")}
                stream.write(json.dumps(joined, allow_nan=False) + "\n")
                number += 1


def read_rows(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a file, one at a time.

    Raises:
        FormatError: it is not one of ours.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("time"), float):
                raise FormatError(f"{path}: expected a row of motion statistics in line {number}, found something else")
            yield row
