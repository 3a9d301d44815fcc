"""What takes the results of a sequence one by one: a file for each, or one video for all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

from flowcli.flow import Frame
from flowcli.io.atomic import check_writable
from flowcli.output.destination import Destination

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
    """One file per result; each is complete once `write` returns."""

    def __init__(self, destination: Destination, write: Callable[[Path, Item], None], *, overwrite: bool) -> None:
        self._destination, self._write, self._overwrite = destination, write, overwrite

    def __exit__(self, *error: object) -> None:
        """Nothing is left to do."""

    def write(self, name: str, item: Item, time: Fraction, duration: Fraction) -> None:
        """Write one file; see Sink."""
        path = self._destination.file(name)
        # The names of a stream without known end could not be checked before.
        check_writable(path, self._overwrite)
        self._write(path, item)


def open_picture_sink(
    destination: Destination, *, fps: Fraction, aspect: Fraction, comment: str, overwrite: bool
) -> Sink[Frame]:
    """Return the sink for pictures: files, or a video at `fps` frames per second with `comment` in its metadata."""
    if destination.is_video:
        from flowcli.io.video.write import VideoSink

        return VideoSink(destination.path, fps=fps, aspect=aspect, comment=comment)
    from flowcli.io.image import write_result

    return FileSink(destination, write_result, overwrite=overwrite)
