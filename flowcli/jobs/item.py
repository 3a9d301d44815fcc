"""One item of a batch, in parts of a few pairs each, so that little is lost when the work is cut off.

A part's flow files and pictures lie under their final names when it is complete. A video grows as one segment per part,
which begins with a keyframe, and the segments are joined at the end without encoding again. The network sees each part
by itself, so that a continued item is the same to the byte as one that was never interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.io.atomic import mark_temporary_files
from flowcli.io.frames import Selection
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FrameSource, open_source
from flowcli.io.video.join import join_videos
from flowcli.jobs.journal import Files
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.sequence import PairStream, write_flows
from flowcli.jobs.stream import FlowEstimator
from flowcli.output.destination import VIDEO_SUFFIXES, Destination
from flowcli.output.plan import OutputPlan
from flowcli.output.scale import SequenceScale, choose_sequence_scale
from flowcli.output.writer import Appearance, OutputWriter, describe

# Pairs per part. A keyframe every 16 frames makes videos of flow 1.5 % larger.
PART = 16
# In the output folder: the journal, the lock and the segments of unfinished videos.
STATE_FOLDER = ".flowcli"


@dataclass(frozen=True)
class BatchSettings:
    """What every item of a batch gets, and how.

    Attributes:
        flow_suffix: of the flow files; None for none.
        pair_flow_suffix: the same for two images of a list.
        picture_suffix: of a video, or of the pictures of each pair; None for none.
        backward: frame 2 -> frame 1 as well.
        occlusion: masks too, in the kind of the pictures.
        selection: the frames of each sequence.
        fps: of folders of frames; None for the default.
        resize: the size at which flow is estimated.
        look: how pictures look.
    """

    flow_suffix: str | None
    pair_flow_suffix: str | None
    picture_suffix: str | None
    backward: bool = False
    occlusion: bool = False
    selection: Selection = field(default_factory=Selection)
    fps: Fraction | None = None
    resize: Resize = field(default_factory=Resize)
    look: Appearance = field(default_factory=Appearance)

    def describe(self) -> dict[str, object]:
        """Return all of it as plain JSON values."""
        plain = asdict(self)
        for key in ("start", "end"):
            moment = plain["selection"][key]
            if moment is not None:
                # Frame 5 is not second 5.
                value = moment["value"]
                plain["selection"][key] = value if isinstance(value, int) else f"{value} s"
        return plain | {"fps": None if self.fps is None else str(self.fps), "part": PART}


@dataclass(frozen=True)
class ItemJob:
    """An item and where to begin: at part 0, or at the first one that the journal does not have.

    Attributes:
        item: its name and input.
        settings: what it gets.
        folder: for the results.
        owner: mark of its temporary files, where others write into the folder too.
        first_part: the part to begin with.
        scale: of the pictures so far, if there are any.
    """

    item: BatchItem
    settings: BatchSettings
    folder: Path
    owner: str = ""
    first_part: int = 0
    scale: float | None = None

    @property
    def segments(self) -> Path:
        """The folder for the segments of this item's videos, not inside that of any other."""
        return self.folder / STATE_FOLDER / "segments" / hashlib.sha256(self.item.name.encode()).hexdigest()[:16]

    @property
    def plan(self) -> OutputPlan:
        """The outputs of the item."""
        name, settings = self.item.name, self.settings
        flow, pictures = settings.flow_suffix, settings.picture_suffix
        if self.item.is_pair:
            flow = settings.pair_flow_suffix
        if self.item.is_pair and pictures in VIDEO_SUFFIXES:
            pictures = ".png"
        masks = pictures or (".png" if self.item.is_pair else ".mp4")
        return OutputPlan(
            None if flow is None else self._place(name, flow),
            None if pictures is None else self._place(f"{name}.flow", pictures),
            self._place(f"{name}.occlusion", masks) if settings.occlusion else None,
            settings.backward,
        )

    def part_plan(self, part: int) -> OutputPlan:
        """The outputs of one part: those of the item, with a segment in place of each video."""
        plan = self.plan

        def segment(destination: Destination | None, word: str) -> Destination | None:
            if destination is None or not destination.is_video:
                return destination
            path = self.segments / f"{part:06d}.{word}{destination.suffix}"
            return replace(destination, path=path)

        return replace(plan, pictures=segment(plan.pictures, "flow"), occlusion=segment(plan.occlusion, "occlusion"))

    def _place(self, name: str, suffix: str) -> Destination:
        if self.item.is_pair or suffix in VIDEO_SUFFIXES:
            return Destination(self.folder / f"{name}{suffix}", suffix, False)
        return Destination(self.folder / name, suffix, True)


@dataclass(frozen=True)
class Started:
    """The item was opened: its number of pairs, and the scale of its pictures."""

    pairs: int
    scale: float | None


@dataclass(frozen=True)
class Advanced:
    """One more pair is written."""


@dataclass(frozen=True)
class PartDone:
    """A part is complete, with these files."""

    part: int
    files: Files


@dataclass(frozen=True)
class Ended:
    """The item is complete, or as complete as its input allows (`fault`); the files are those beyond its parts'."""

    pairs: int
    files: Files
    fault: str | None


Event = Started | Advanced | PartDone | Ended


def work_item(job: ItemJob, estimator: FlowEstimator) -> Generator[Event, None, None]:
    """Do an item from its first open part on; yields what happened after it happened.

    Raises:
        InputError, FormatError: the input cannot be used.
        OutputError: the results cannot be written.
        EngineError: the estimator failed.
    """
    with mark_temporary_files(job.owner):
        yield from _work_item(job, estimator)


def _work_item(job: ItemJob, estimator: FlowEstimator) -> Generator[Event, None, None]:
    settings = job.settings
    source = open_source(job.item.inputs, selection=settings.selection, fps=settings.fps)
    assert source.count is not None
    settings.resize.target(source.size)
    scale = SequenceScale(job.scale or settings.look.scale)
    if scale.fixed is None and settings.picture_suffix is not None:
        scale = choose_sequence_scale(source)
    yield Started(source.count, scale.fixed)
    _make_folders(job)
    comment = describe(str(estimator.settings.get("model")), settings.look, scale)
    part, pairs = job.first_part, min(source.count, job.first_part * PART)
    with PairStream(source, pairs) as stream:
        while pairs < source.count and stream.fault is None:
            plan = job.part_plan(part)
            writer = OutputWriter(plan, source, settings.look, scale, comment, overwrite=True)
            names: list[str] = []
            with closing(
                write_flows(stream.take(PART), estimator, writer, backward=plan.needs_backward, resize=settings.resize)
            ) as results:
                for result in results:
                    names.append(result.pair.name)
                    yield Advanced()
            pairs += len(names)
            if names:
                yield PartDone(part, _measure(job.folder, [d.file(n) for d in plan.destinations for n in names]))
                part += 1
            if len(names) < PART:
                break
    if pairs == 0 and stream.fault is not None:
        raise stream.fault
    yield Ended(pairs, _join(job, source, part, comment), None if stream.fault is None else str(stream.fault))


def _make_folders(job: ItemJob) -> None:
    if not (job.folder / STATE_FOLDER).is_dir():
        raise OutputError(f"{job.folder}: the output folder was removed while the batch was running")
    destinations = [*job.plan.destinations, *job.part_plan(0).destinations]
    for folder in {d.path if d.is_folder else d.path.parent for d in destinations}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error


def _join(job: ItemJob, source: FrameSource, parts: int, comment: str) -> Files:
    videos = [k for k, destination in enumerate(job.plan.destinations) if destination.is_video]
    for k in videos:
        segments = ((job.part_plan(part).destinations[k].path, source.time(part * PART)) for part in range(parts))
        join_videos(segments, job.plan.destinations[k].path, comment)
    return _measure(job.folder, [job.plan.destinations[k].path for k in videos])


def _measure(folder: Path, paths: list[Path]) -> Files:
    try:
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    except OSError as error:
        raise OutputError(f"{error.filename}: is gone while the batch is running") from error
