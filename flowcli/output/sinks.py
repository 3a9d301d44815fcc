"""What takes the results of a sequence one by one: a file for each, or one video for all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

from flowcli.flow import FlowField, Frame
from flowcli.io.atomic import check_writable
from flowcli.io.flow.clips import ClipFacts
from flowcli.io.flow.clips.file import ClipFile
from flowcli.io.flow.storage import FlowStorage
from flowcli.output.destination import Destination, Form

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Sink(Protocol[Item_contra]):
    """Takes the results of a sequence in order; a context manager that completes them, or drops a partial file."""

    def __enter__(self) -> Sink[Item_contra]: ...

    def __exit__(self, *error: object) -> bool | None: ...

    def write(self, name: str, item: Item_contra, time: Fraction, duration: Fraction) -> None:
        """Take the result of the pair `name`, shown from `time` on for `duration` seconds. Raises OutputError."""
        ...


class FileSink(AbstractContextManager["FileSink[Item]"]):
    """A file for each result, or several; each is complete once `write` returns."""

    def __init__(self, destination: Destination, write: Callable[[list[Path], Item], None], *, overwrite: bool) -> None:
        self._destination, self._write, self._overwrite = destination, write, overwrite

    def __exit__(self, *error: object) -> None:
        """Nothing is left to do."""

    def write(self, name: str, item: Item, time: Fraction, duration: Fraction) -> None:
        """Write one file; see Sink."""
        paths = self._destination.files(name)
        # The names of a stream without known end could not be checked before.
        for path in paths:
            check_writable(path, self._overwrite)
        self._write(paths, item)


class ClipSink(AbstractContextManager["ClipSink"]):
    """One array for all results, which appears when the block is left without an exception, if there is any."""

    def __init__(self, destination: Destination, storage: FlowStorage, fps: Fraction, comment: str) -> None:
        self._destination, self._storage = destination, storage
        self._stack = ExitStack()
        self._clip: ClipFile | None = None
        self._facts = ClipFacts(fps, storage.layout, comment)

    def write(self, name: str, item: FlowField, time: Fraction, duration: Fraction) -> None:
        """Add one flow; see Sink."""
        if self._clip is None:
            is_segment = self._destination.form is Form.SEGMENT
            clip = ClipFile(self._destination.path, self._destination.clip_format, is_segment=is_segment)
            self._clip = self._stack.enter_context(clip)
        self._facts.times.append(time)
        self._clip.append(self._storage.as_array(item), self._facts)

    def __exit__(self, *error: object) -> bool | None:
        """Complete the file, or drop it after an exception."""
        return self._stack.__exit__(*error)  # pyright: ignore[reportArgumentType]


def open_picture_sink(
    destination: Destination,
    *,
    fps: Fraction,
    aspect: Fraction,
    comment: str,
    overwrite: bool,
    film: tuple[Path, Fraction] | None = None,
) -> Sink[Frame]:
    """Return the sink for pictures.

    Args:
        destination: files, or a video.
        fps: pictures per second.
        aspect: width of a pixel over its height when shown.
        comment: for the metadata of a video.
        overwrite: whether files that are there may be replaced.
        film: whose sound goes beside the pictures of a video, and where these begin on its clock, in seconds.
    """
    if destination.is_video:
        from flowcli.io.video.write import VideoSink

        return VideoSink(destination.path, fps=fps, aspect=aspect, comment=comment, film=film)
    from flowcli.io.image import write_result

    return FileSink[Frame](destination, lambda paths, frame: write_result(paths[0], frame), overwrite=overwrite)
