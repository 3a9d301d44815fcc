"""The end of an item: segments of its videos, clips and tables become one file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flowcli.io.flow.clips import ClipFacts
from flowcli.io.flow.clips.file import join_clips
from flowcli.io.sources import FrameSource
from flowcli.jobs.attempt import Files
from flowcli.jobs.job import ItemJob, measure_files
from flowcli.jobs.settings import PART
from flowcli.output.rows import join_rows
from flowcli.output.scale import SequenceScale
from flowcli.output.writer import describe

# What knows videos is imported where there are some: it takes 0.06 s and 19 MiB.
if TYPE_CHECKING:
    from flowcli.io.video.sound import Sound


def note_silence(job: ItemJob, source: FrameSource) -> tuple[str, ...]:
    """Say that there is no sound where it was asked for."""
    videos = [task.output.destination.path for task in job.tasks if task.output.sound]
    if not videos or _find_sound(source, videos[0], 1) is not None:
        return ()
    return (f"{source.stem}: has no sound that could be copied; its videos are silent",)


def _find_sound(source: FrameSource, video: Path, pairs: int) -> Sound | None:
    from flowcli.io.video.sound import Sound, has_sound

    if source.begins is None or not has_sound(source.paths[0], video):
        return None
    return Sound(source.paths[0], source.begins, source.time(pairs - 1) + 1 / source.fps)


def join(
    job: ItemJob, source: FrameSource, done: tuple[int, int], model: str, scale: SequenceScale
) -> dict[str, Files]:
    """Make one file of the segments of each output that is joined; returns the files by kind of output.

    Args:
        job: the item.
        source: its frames.
        done: how many pairs and parts are done.
        model: by what.
        scale: of the pictures.
    """
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
            from flowcli.io.video.join import join_videos

            sound = _find_sound(source, task.joined, pairs) if output.sound else None
            join_videos(segments, task.joined, comment, sound)
        else:
            join_rows(segments, task.joined)
        found[output.kind] = measure_files(job.folder, [task.joined])
    return found
