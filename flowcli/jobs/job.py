"""What is to be done for one item of a batch, in how many calls, and what is told of it.

An item is made of parts of PART pairs each. A call does the whole item, or some of its parts while other calls do the
others; one more then ends the item. All of it travels between processes and machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.io.sources import PairName
from flowcli.io.video.damage import Met
from flowcli.jobs.attempt import FileMark, Files
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.output.destination import Destination, Form
from flowcli.output.plan import Output, OutputPlan


@dataclass(frozen=True)
class Task:
    """One output of an item, and where to begin with it.

    Attributes:
        output: what it is and where it goes in the end.
        work: the folder for its segments, and for all of it if it is staged; nothing else uses it.
        staged: whether its names are taken by something that stays until the item is complete.
        done: the parts that are complete.
    """

    output: Output
    work: Path
    staged: bool = False
    done: frozenset[int] = frozenset()

    def place(self, part: int) -> Destination:
        """Where the files of a part go."""
        final = self.output.destination
        if final.is_clip:
            return Destination(self.work / f"{part:06d}.npy", ".npy", False, Form.SEGMENT)
        if final.is_joined:
            return replace(final, path=self.work / f"{part:06d}{final.suffix}")
        if not self.staged:
            return final
        return replace(final, path=self.work if final.is_folder else self.work / final.path.name)

    @property
    def joined(self) -> Path:
        """Where goes what is joined from its segments."""
        final = self.output.destination.path
        return self.work / final.name if self.staged else final


@dataclass(frozen=True)
class PartDone:
    """A part is complete: this many pairs, in these files by kind of output."""

    part: int
    pairs: int
    files: dict[str, Files]


@dataclass(frozen=True)
class Left:
    """A call has done its parts, as far as the input allows; the item is not at its end.

    Attributes:
        parts: those of the call.
        pairs: number of pairs up to where the input ended early; None if it did not.
        fault: why it did, or what is wrong with it.
        short: the part in which it ended early, not told of otherwise: only the end of the item makes it count.
        met: what turned out to be wrong while reading.
    """

    parts: tuple[int, ...]
    pairs: int | None = None
    fault: str | None = None
    short: PartDone | None = None
    met: Met = field(default_factory=Met)


@dataclass(frozen=True)
class ItemJob:
    """An item, and what is to be done for it.

    Attributes:
        item: its name and input.
        settings: what it gets.
        folder: for the results.
        tasks: its outputs that are not complete.
        owner: mark of its temporary files, where others write into the folder too.
        scale: of the pictures so far, if there are any.
        at_least: the pairs of the result that it replaces: an input with fewer is refused.
        span: the parts of this call, none to end the item and no more; None: all that are open.
        calls: what the calls before this one have left.
    """

    item: BatchItem
    settings: BatchSettings
    folder: Path
    tasks: tuple[Task, ...]
    owner: str = ""
    scale: float | None = None
    at_least: int = 0
    span: tuple[int, ...] | None = None
    calls: tuple[Left, ...] = ()

    @property
    def done(self) -> frozenset[int]:
        """The parts that no output lacks."""
        return frozenset.intersection(*(task.done for task in self.tasks))

    @property
    def first_part(self) -> int:
        """The first part that any output lacks."""
        done = self.done
        return next(part for part in count() if part not in done)

    def next_open(self, number: int) -> tuple[int, ...]:
        """Return the first `number` parts that any output lacks, however many the item has."""
        done = self.done
        return tuple(islice((part for part in count() if part not in done), number))

    def open_parts(self, pairs: int) -> list[int]:
        """Return the parts of this call, given the number of pairs of the item."""
        done = self.done
        return [
            part for part in range(count_parts(pairs)) if part not in done and (self.span is None or part in self.span)
        ]

    def after(self, parts: Iterable[int], scale: float | None) -> ItemJob:
        """Return what is left when these parts are done as well."""
        parts = frozenset(parts)
        return replace(self, tasks=tuple(replace(task, done=task.done | parts) for task in self.tasks), scale=scale)

    def part_plan(self, part: int) -> OutputPlan:
        """Return the outputs of one part, in the order of the tasks: those that lack it."""
        return OutputPlan(
            tuple(replace(task.output, destination=task.place(part), sound=False) for task in self._tasks_of(part))
        )

    def measure(self, part: int, names: list[PairName]) -> dict[str, Files]:
        """Return the files of a part by kind of output, given the names of its pairs."""
        found: dict[str, Files] = {}
        for task in self._tasks_of(part):
            place = task.place(part)
            found[task.output.kind] = measure_files(
                self.folder, list(dict.fromkeys(path for name in names for path in place.files(name)))
            )
        return found

    def _tasks_of(self, part: int) -> list[Task]:
        return [task for task in self.tasks if part not in task.done]


@dataclass(frozen=True)
class Assigned:
    """The item is about to be given to another process, which may write files before a word of it arrives here."""


@dataclass(frozen=True)
class Started:
    """The item was opened.

    Attributes:
        pairs: how many it has.
        scale: of its pictures.
        part: the first that is open.
        notes: what the user should know of how it is read.
    """

    pairs: int
    scale: float | None
    part: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advanced:
    """So many pairs of a part are written."""

    part: int
    pairs: int


@dataclass(frozen=True)
class Ended:
    """The item is complete, or as complete as its input allows (`fault`).

    Attributes:
        pairs: number of pairs.
        parts: number of parts; of more, if there were any, the files are gone.
        files: those beyond its parts'.
        fault: why it is not complete.
    """

    pairs: int
    parts: int
    files: dict[str, Files]
    fault: str | None


Event = Started | Advanced | PartDone | Left | Ended


@dataclass(frozen=True)
class Interrupted:
    """The work on an item was cut off; whoever is told answers with what is left of it, by what is known to be done."""

    reason: str


def count_parts(pairs: int) -> int:
    """Return the number of parts that so many pairs make."""
    return -(-pairs // PART)


def measure_files(folder: Path, paths: list[Path]) -> Files:
    """Return the marks of files, by their paths relative to `folder`; raises OutputError if one is gone."""
    found: Files = {}
    for path in paths:
        mark = FileMark.of(path)
        if mark is None:
            raise OutputError(f"{path}: is gone while the batch is running")
        found[path.relative_to(folder).as_posix()] = mark
    return found
