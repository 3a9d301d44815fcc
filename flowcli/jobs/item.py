"""One item of a batch, in parts of a few pairs each, so that little is lost when the work is cut off.

A part's flow files and pictures lie under their final names when it is complete, or in the state folder where something
else has these names until the whole item is complete. A video grows as one segment per part, which begins with a
keyframe, and the segments are joined at the end without encoding again; so are the rows of motion statistics. The
network sees each part by itself, so that a continued item is the same to the byte as one that was never interrupted,
and so is one whose parts several machines have done.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

from flowcli.errors import InputError, OutputError
from flowcli.estimator import Estimator
from flowcli.io.atomic import mark_temporary_files
from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.remote import LocalCopies
from flowcli.io.sources import FrameSource, PairName, open_source
from flowcli.io.video.damage import Met
from flowcli.jobs.job import (
    Advanced,
    Ended,
    Event,
    ItemJob,
    Left,
    PartDone,
    Started,
    count_parts,
)
from flowcli.jobs.joining import join, note_silence
from flowcli.jobs.memory import plan_layout
from flowcli.jobs.moving import remove_files
from flowcli.jobs.sequence import PairStream, write_flows
from flowcli.jobs.settings import PART
from flowcli.output.scale import SequenceScale, choose_sequence_scale
from flowcli.output.writer import OutputWriter


def work_item(job: ItemJob, estimator: Estimator) -> Generator[Event, None, None]:
    """Do the parts of a call, and end the item if nothing is left to do; yields what happened after it happened.

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
            elif isinstance(event, Ended | Left) and event.fault is not None:
                event = replace(event, fault=copies.rename(event.fault))
            yield event


def _work_item(job: ItemJob, copies: LocalCopies, estimator: Estimator) -> Generator[Event, None, None]:
    settings = job.settings
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
    depth = plan_layout(estimator, source, job.part_plan(job.first_part), settings.resize).depth
    scale = SequenceScale(job.scale or settings.look.scale)
    if scale.fixed is None and any(task.output.is_drawn for task in job.tasks):
        scale = choose_sequence_scale(source)
    yield Started(source.count, scale.fixed, job.first_part, (*source.notes, *note_silence(job, source)))
    _make_folders(job)
    left = yield from _work_parts(job, source, scale, estimator, depth)
    calls = (*job.calls, left)
    stops = [call.pairs for call in calls if call.pairs is not None]
    # What comes after the place where an input ends early may be another call's work at this moment.
    is_last = job.span == () or job.span is None or not stops
    whole = range(min(stops) // PART if stops else count_parts(source.count))
    if is_last and all(part in job.done or part in left.parts for part in whole):
        yield from _end(job, source, scale, calls, str(estimator.settings.get("model")))
    else:
        yield left


def _work_parts(
    job: ItemJob, source: FrameSource, scale: SequenceScale, estimator: Estimator, depth: int
) -> Generator[Event, None, Left]:
    settings, model = job.settings, str(estimator.settings.get("model"))
    assert source.count is not None
    total, parts = count_parts(source.count), job.open_parts(source.count)
    met: list[Met] = []
    for run in _find_runs(parts):
        stop = None if run.stop == total else run.stop * PART
        leads = any(job.part_plan(part).needs_pair_before for part in run)
        with PairStream(source, run.start * PART, stop, depth, leads=leads) as stream:
            for part in run:
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
                        yield Advanced(part, len(names))
                if part == 0 and not names and stream.fault is not None:
                    raise stream.fault
                done = PartDone(part, len(names), job.measure(part, names))
                if len(names) < min(PART, source.count - part * PART):
                    fault = None if stream.fault is None else str(stream.fault)
                    return Left(tuple(parts), part * PART + len(names), fault, done if names else None, source.met)
                yield done
            if run.stop == total:
                # What is wrong with an input is told after its last frame.
                for pair in stream.take(1):
                    if not pair.leads:
                        break
        met.append(source.met)
        if stream.fault is not None:
            return Left(tuple(parts), fault=str(stream.fault), met=Met.of(met))
    told = total - 1 in parts or any(total - 1 in call.parts for call in job.calls)
    if not told and all(part in job.done or part in parts for part in range(total)):
        with PairStream(source, source.count) as stream:
            next(stream.take(1), None)
        if stream.fault is not None:
            return Left(tuple(parts), fault=str(stream.fault), met=Met.of([*met, source.met]))
    return Left(tuple(parts), met=Met.of(met))


def _find_runs(parts: Iterable[int]) -> Generator[range, None, None]:
    # Parts that follow on each other are read in one go.
    run = range(0)
    for part in parts:
        if part != run.stop and len(run):
            yield run
            run = range(0)
        run = range(run.start if len(run) else part, part + 1)
    if len(run):
        yield run


def _end(
    job: ItemJob, source: FrameSource, scale: SequenceScale, calls: tuple[Left, ...], model: str
) -> Generator[Event, None, None]:
    assert source.count is not None
    stopped = min((call for call in calls if call.pairs is not None), key=lambda call: call.pairs or 0, default=None)
    pairs, parts, short = source.count, count_parts(source.count), None
    if stopped is not None:
        pairs, short = stopped.pairs or 0, stopped.short
        parts = pairs // PART + (short is not None)
        _remove_beyond(job, source, pairs)
    files = join(job, source, (pairs, parts), model, scale)
    if short is not None:
        # Only now: the item is at its end where this part is.
        yield short
    yield Ended(pairs, parts, files, _explain(source, calls, stopped))


def _explain(source: FrameSource, calls: tuple[Left, ...], stopped: Left | None) -> str | None:
    faults = [call.fault for call in sorted(calls, key=lambda call: call.parts) if call.fault is not None]
    if len(calls) > 1 and (text := source.explain([call.met for call in calls])) is not None:
        return text
    return stopped.fault if stopped is not None else next(iter(faults), None)


def _remove_beyond(job: ItemJob, source: FrameSource, pairs: int) -> None:
    # Other calls may have done what comes after the place where the input ends early.
    assert source.count is not None
    for place in (task.place(0) for task in job.tasks):
        if place.is_folder:
            names = map(source.name, range(pairs, source.count))
            remove_files(path for name in names for path in place.files(name))


def _make_folders(job: ItemJob) -> None:
    if not (job.folder / STATE_FOLDER).is_dir():
        raise OutputError(f"{job.folder}: the output folder was removed while the batch was running")
    places = [place for task in job.tasks for place in (task.output.destination, task.place(0))]
    for folder in {place.path if place.is_folder else place.path.parent for place in places}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error
