"""The pairs that `flowcli view` shows: read from flow files, or estimated from frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from flowcli.errors import InputError, UsageError
from flowcli.estimator import Estimator
from flowcli.evaluation.difference import KEYS, compare_flows
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import PairErrors
from flowcli.flow import FlowField
from flowcli.io.atomic import check_writable
from flowcli.io.flow import read_flow
from flowcli.io.flow.listing import list_flows, name_results
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair, FrameSource
from flowcli.jobs.shots import Shots
from flowcli.jobs.stream import estimate_pairs
from flowcli.output.destination import Destination
from flowcli.output.inputs import InputFiles
from flowcli.output.plan import OutputPlan
from flowcli.viewer import About, Clip, ViewedPair, write_page

if TYPE_CHECKING:
    from flowcli.output.writer import PairFlow


@dataclass(frozen=True)
class References:
    """Flow files to compare with, one per pair; or none."""

    paths: tuple[Path, ...] = ()

    @classmethod
    def open(cls, text: str | None, count: int | None) -> References:
        """List them; raises InputError unless there are `count`."""
        if text is None:
            return cls()
        paths = list_flows([text])
        if count is not None and len(paths) != count:
            raise InputError(
                f"{text}: expected {count} flow file{'s' if count > 1 else ''} to compare with, found {len(paths)}"
            )
        return cls(tuple(paths))

    def read(self, index: int) -> tuple[FlowField, ...]:
        """Return the flow to compare pair `index` with, if any."""
        if not self.paths:
            return ()
        if index >= len(self.paths):
            raise InputError(f"expected a flow to compare with for every pair, found {len(self.paths)}")
        return (read_flow(self.paths[index]),)


def plain_errors(errors: PairErrors) -> dict[str, float | None]:
    """Return the figures that a page shows."""
    return {key: errors.value(key) for key in KEYS}


def errors_of(flows: Sequence[FlowField], name: str) -> dict[str, float | None]:
    """Return the errors of the first of two flows as `flowcli diff` gives them; empty for one flow."""
    if len(flows) < 2 or (flows[0].size == flows[1].size and not (flows[0].known & flows[1].known).any()):
        return {}
    try:
        return plain_errors(compare_flows(flows[0], flows[1]).errors)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def read_pairs(paths: Sequence[Path], shots: Shots, references: References, clip: Clip) -> Iterator[ViewedPair | None]:
    """Yield what is known of each flow file; None for those that the page has no room for."""
    for index, (path, name, shot) in enumerate(zip(paths, name_results(paths), shots, strict=True)):
        if not clip.wants(index):
            yield None
            continue
        flows = (read_flow(path), *references.read(index))
        yield ViewedPair(name, flows, shot.frame, shot.frame2, shot.time, errors=errors_of(flows, name))


def view_pair_flow(result: PairFlow, reference: tuple[FlowField, ...] = ()) -> ViewedPair:
    """Return what a page shows of an estimate; of one both ways also what is occluded, and confidence."""
    from flowcli.estimator import BidirectionalFlow

    pair, flows = result.pair, (result.forward, *reference)
    both = None if result.backward is None else BidirectionalFlow(result.forward, result.backward)
    return ViewedPair(
        pair.name,
        flows,
        pair.frame1,
        pair.frame2,
        pair.time,
        occluded=None if both is None else both.occluded,
        confidence=None if both is None else both.confidence,
        errors=errors_of(flows, pair.name),
    )


def estimate_viewed(
    source: FrameSource, estimator: Estimator, references: References, clip: Clip, *, backward: bool, resize: Resize
) -> Generator[ViewedPair | None, None, None]:
    """Estimate the pairs of a source that the page has room for; None for the others."""
    waiting: deque[int] = deque()
    read = done = 0

    def wanted() -> Iterator[FramePair]:
        nonlocal read
        with closing(source.pairs()) as pairs:
            for index, pair in enumerate(pairs):
                read = index + 1
                if clip.wants(index):
                    waiting.append(index)
                    yield pair

    for result in estimate_pairs(wanted(), estimator, backward=backward, resize=resize):
        index = waiting.popleft()
        yield from repeat(None, index - done)
        done = index + 1
        yield view_pair_flow(result, references.read(index))
    yield from repeat(None, read - done)
    if references.paths and read != len(references.paths):
        raise InputError(f"expected {read} flow files to compare with, found {len(references.paths)}")


def estimate_labelled(
    pairs: Sequence[LabelledPair], estimator: Estimator, clip: Clip, *, backward: bool
) -> Iterator[ViewedPair | None]:
    """Estimate the pairs of a list with truth."""
    from flowcli.evaluation.metrics import measure

    for index, pair in enumerate(pairs):
        if not clip.wants(index):
            yield None
            continue
        name = f"{pair.dataset} {pair.name}"
        frame1, frame2 = pair.read_frames()
        truth = pair.read_truth()
        try:
            both = estimator.flow_both(frame1, frame2) if backward else None
            flow = estimator.flow(frame1, frame2) if both is None else both.forward
            errors = measure(flow, truth, truth_factor=pair.truth_factor)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        yield ViewedPair(
            name,
            (flow, truth),
            frame1,
            frame2,
            Fraction(index),
            occluded=None if both is None else both.occluded,
            confidence=None if both is None else both.confidence,
            errors=plain_errors(errors),
        )


class EstimatePage:
    """The page of `flowcli estimate --view`, filled while the flow is written.

    Attributes:
        path: of the page.
    """

    def __init__(
        self, path: str, source: FrameSource, plan: OutputPlan, read: InputFiles, *, overwrite: bool, resume: bool
    ) -> None:
        """Check that the page can be written; raises UsageError and OutputError."""
        if resume:
            raise UsageError("--view shows what this run estimates; give it without --resume, or use flowcli view")
        self.path = Path(path)
        place = Destination(self.path, self.path.suffix, is_folder=False)
        read.check(place)
        if any(self.path.resolve() == other.path.resolve() for other in plan.destinations):
            raise UsageError(f"{path}: named for two outputs; give each its own name")
        check_writable(self.path, overwrite)
        self._fps = float(source.fps)
        self._frames = ", ".join(map(str, source.paths)) or "standard input"
        self._clip = Clip(count=source.count)

    def add(self, result: PairFlow) -> None:
        """Take in the next result."""
        if self._clip.wants(self._clip.seen):
            self._clip.add(view_pair_flow(result))
        else:
            self._clip.skip()

    def write(self, estimator: Estimator, stem: str) -> list[str]:
        """Write the page; returns what it leaves out, a line each."""
        rows = {"frames": self._frames, **estimator.settings}
        write_page(self.path, self._clip, About(stem, [str(estimator.settings.get("model"))], rows, self._fps))
        return self._clip.notes


def collect(clip: Clip, pairs: Iterable[ViewedPair | None]) -> None:
    """Put pairs into a page as they come."""
    for pair in pairs:
        if pair is None:
            clip.skip()
        else:
            clip.add(pair)


def check_limit(megabytes: float) -> int:
    """Return `--size-limit` in bytes; raises UsageError for what is none."""
    if not 0.2 <= megabytes <= 2000:
        raise UsageError(f"--size-limit: expected MB from 0.2 to 2000, got {megabytes:g}")
    return round(megabytes * 10**6)
