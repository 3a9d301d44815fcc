"""One item of a batch, in parts of a few pairs each, so that little is lost when the work is cut off.

A part's flow files and pictures lie under their final names when it is complete, or in the state folder where something
else has these names until the whole item is complete. A video grows as one segment per part, which begins with a
keyframe, and the segments are joined at the end without encoding again; so are the rows of motion statistics. The
network sees each part by itself, so that a continued item is the same to the byte as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from flowcli.errors import InputError, OutputError
from flowcli.estimator import Estimator
from flowcli.io.atomic import mark_temporary_files
from flowcli.io.flow.clips import ClipFacts
from flowcli.io.flow.clips.file import join_clips
from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.remote import LocalCopies
from flowcli.io.sources import FrameSource, PairName, open_source
from flowcli.io.video.join import join_videos
from flowcli.io.video.sound import Sound, has_sound
from flowcli.jobs.attempt import FileMark, Files
from flowcli.jobs.memory import plan_layout
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.sequence import PairStream, write_flows
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.output.destination import Destination, Form
from flowcli.output.plan import Output, OutputPlan
from flowcli.output.rows import join_rows
from flowcli.output.scale import SequenceScale, choose_sequence_scale
from flowcli.output.writer import OutputWriter, describe


@dataclass(frozen=True)
class Task:
    """One output of an item, and where to begin with it.

    Attributes:
        output: what it is and where it goes in the end.
        work: the folder for its segments, and for all of it if it is staged; nothing else uses it.
        staged: whether its names are taken by something that stays until the item is complete.
        first_part: the part to begin with, after those that are done.
    """

    output: Output
    work: Path
    staged: bool = False
    first_part: int = 0

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
        """Where a video or a clip goes that is joined from its segments."""
        final = self.output.destination.path
        return self.work / final.name if self.staged else final


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
    """

    item: BatchItem
    settings: BatchSettings
    folder: Path
    tasks: tuple[Task, ...]
    owner: str = ""
    scale: float | None = None
    at_least: int = 0

    @property
    def first_part(self) -> int:
        """The first part that any output lacks."""
        return min(task.first_part for task in self.tasks)

    def after(self, part: int, scale: float | None) -> ItemJob:
        """Return what is left when all parts up to `part` are done."""
        tasks = (replace(task, first_part=max(task.first_part, part + 1)) for task in self.tasks)
        return replace(self, tasks=tuple(tasks), scale=scale)

    def part_plan(self, part: int) -> OutputPlan:
        """Return the outputs of one part, in the order of the tasks: those that have it still before them."""
        return OutputPlan(
            tuple(replace(task.output, destination=task.place(part), sound=False) for task in self._tasks_of(part))
        )

    def _tasks_of(self, part: int) -> list[Task]:
        return [task for task in self.tasks if task.first_part <= part]

    def measure(self, part: int, names: list[PairName]) -> dict[str, Files]:
        """Return the files of a part by kind of output, given the names of its pairs."""
        found: dict[str, Files] = {}
        for task in self._tasks_of(part):
            place = task.place(part)
            found[task.output.kind] = measure_files(
                self.folder, list(dict.fromkeys(p for n in names for p in place.files(n)))
            )
        return found


@dataclass(frozen=True)
class Started:
    """The item was opened.

    Attributes:
        pairs: how many it has.
        scale: of its pictures.
        part: the one that it begins with.
        notes: what the user should know of how it is read.
    """

    pairs: int
    scale: float | None
    part: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advanced:
    """One more pair is written."""


@dataclass(frozen=True)
class PartDone:
    """A part is complete, with these files by kind of output."""

    part: int
    files: dict[str, Files]


@dataclass(frozen=True)
class Ended:
    """The item is complete, or as complete as its input allows (`fault`); the files are those beyond its parts'."""

    pairs: int
    files: dict[str, Files]
    fault: str | None


Event = Started | Advanced | PartDone | Ended


def work_item(job: ItemJob, estimator: Estimator) -> Generator[Event, None, None]:
    """Do an item from its first open part on; yields what happened after it happened.

    Raises:
        InputError, FormatError: the input cannot be used.
        OutputError: the results cannot be written.
        EngineError: the estimator failed.
    """
    with (
        mark_temporary_files(job.owner),
        LocalCopies(job.item.inputs) as copies,
        closing(_work_item(job, copies, estimator)) as events,
    ):
        for event in events:
            if isinstance(event, Started):
                event = replace(event, notes=tuple(map(copies.rename, event.notes)))
            elif isinstance(event, Ended) and event.fault is not None:
                event = replace(event, fault=copies.rename(event.fault))
            yield event


def _work_item(job: ItemJob, copies: LocalCopies, estimator: Estimator) -> Generator[Event, None, None]:
    settings, part = job.settings, job.first_part
    source = open_source(
        copies.inputs,
        selection=settings.selection,
        fps=settings.fps,
        values=settings.values,
        strict=settings.strict,
        same_length=settings.same_length,
    )
    assert source.count is not None
    settings.resize.target(source.size)
    if source.count < job.at_least:
        raise InputError(
            f"{source.stem}: expected at least the {job.at_least} pairs of its earlier result, found {source.count}; "
            "that is kept, --overwrite replaces it"
        )
    depth = plan_layout(estimator, source, job.part_plan(part), settings.resize).depth
    scale = SequenceScale(job.scale or settings.look.scale)
    if scale.fixed is None and any(task.output.is_drawn for task in job.tasks):
        scale = choose_sequence_scale(source)
    yield Started(source.count, scale.fixed, part, (*source.notes, *_note_silence(job, source)))
    _make_folders(job)
    model = str(estimator.settings.get("model"))
    pairs = min(source.count, part * PART)
    leads = job.part_plan(part).needs_pair_before
    with PairStream(source, pairs, depth, leads=leads) as stream:
        while pairs < source.count and stream.fault is None:
            plan = job.part_plan(part)
            writer = OutputWriter(plan, source, settings.look, scale, model, overwrite=True, motion=settings.motion)
            names: list[PairName] = []
            with closing(
                write_flows(
                    stream.take(PART),
                    estimator,
                    writer,
                    backward=plan.needs_backward,
                    resize=settings.resize,
                    depth=depth,
                )
            ) as results:
                for result in results:
                    names.append(result.pair.name)
                    del result
                    yield Advanced()
            pairs += len(names)
            if names:
                yield PartDone(part, job.measure(part, names))
                part += 1
            if len(names) < PART:
                break
        # What is wrong with an input is told after its last frame.
        for pair in stream.take(1):
            if not pair.leads:
                break
    if pairs == 0 and stream.fault is not None:
        raise stream.fault
    files = _join(job, source, (pairs, part), model, scale)
    yield Ended(pairs, files, None if stream.fault is None else str(stream.fault))


def _make_folders(job: ItemJob) -> None:
    if not (job.folder / STATE_FOLDER).is_dir():
        raise OutputError(f"{job.folder}: the output folder was removed while the batch was running")
    places = [place for task in job.tasks for place in (task.output.destination, task.place(0))]
    for folder in {place.path if place.is_folder else place.path.parent for place in places}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error


def _note_silence(job: ItemJob, source: FrameSource) -> tuple[str, ...]:
    videos = [task.output.destination.path for task in job.tasks if task.output.sound]
    if not videos or _find_sound(source, videos[0], 1) is not None:
        return ()
    return (f"{source.stem}: has no sound that could be copied; its videos are silent",)


def _find_sound(source: FrameSource, video: Path, pairs: int) -> Sound | None:
    if source.begins is None or not has_sound(source.paths[0], video):
        return None
    return Sound(source.paths[0], source.begins, source.time(pairs - 1) + 1 / source.fps)


def _join(
    job: ItemJob, source: FrameSource, done: tuple[int, int], model: str, scale: SequenceScale
) -> dict[str, Files]:
    # Of the pairs and parts that are done.
    pairs, parts = done
    found: dict[str, Files] = {task.output.kind: {} for task in job.tasks}
    for task in job.tasks:
        output, destination = task.output, task.output.destination
        if not destination.is_joined:
            continue
        comment = describe(output, model, job.settings.look, scale)
        if destination.is_clip:
            facts = ClipFacts(source.fps, output.storage.layout, comment, [source.time(k) for k in range(pairs)])
            row = destination.clip_format
            join_clips((task.place(part).path for part in range(parts)), task.joined, row, facts)
            found[output.kind] = measure_files(job.folder, row.files(task.joined))
            continue
        segments = ((task.place(part).path, source.time(part * PART)) for part in range(parts))
        if destination.is_video:
            sound = _find_sound(source, task.joined, pairs) if output.sound else None
            join_videos(segments, task.joined, comment, sound)
        else:
            join_rows(segments, task.joined)
        found[output.kind] = measure_files(job.folder, [task.joined])
    return found


def measure_files(folder: Path, paths: list[Path]) -> Files:
    """Return the marks of files, by their paths relative to `folder`; raises OutputError if one is gone."""
    found: Files = {}
    for path in paths:
        mark = FileMark.of(path)
        if mark is None:
            raise OutputError(f"{path}: is gone while the batch is running")
        found[path.relative_to(folder).as_posix()] = mark
    return found
