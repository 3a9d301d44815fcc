"""The frames and times that belong to a sequence of flow files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.io.frames import Selection
from flowcli.io.image import IMAGE_SUFFIXES, read_images
from flowcli.io.sources import DEFAULT_FPS, FrameSource, open_source


@dataclass(frozen=True, eq=False)
class Shot:
    """What is known of one flow field besides the flow.

    Attributes:
        frame: first frame, uint8 `(H, W, 3)`, or None.
        frame2: second frame, or None.
        time: seconds at which it is shown.
        duration: seconds for which it is shown.
    """

    frame: Frame | None
    frame2: Frame | None
    time: Fraction
    duration: Fraction


class Shots:
    """As many shots as there are flow files, in order, read one by one.

    Attributes:
        fps: shots per second.
        aspect: width of a pixel over its height when shown.
    """

    def __init__(
        self, inputs: Sequence[str], count: int, fps: Fraction | None, selection: Selection | None = None
    ) -> None:
        """Open the frames.

        Args:
            inputs: images, a folder, a glob or a video, as typed; none for flow without frames. They are the frames
                that the flow was estimated from: one more than `count`, or as many where the last flow was repeated.
                For a single flow the first frame will do.
            count: number of flow files.
            fps: shots per second; a video knows its own, and the default is 25.
            selection: which of the frames; None for all.

        Raises:
            InputError: nothing there, or another number of frames.
            FormatError: the first frame is damaged.
        """
        self._count = count
        self._image: Frame | None = None
        self._source: FrameSource | None = None
        self.fps, self.aspect = fps or DEFAULT_FPS, Fraction(1)
        if len(inputs) == count == 1 and _is_image(inputs[0]):
            (self._image,) = read_images(inputs)
        elif inputs:
            self._source = open_source(inputs, selection=selection, fps=fps)
            if self._source.count is not None and self._source.count + 1 == count > 1:
                self._source = open_source(inputs, selection=selection, fps=fps, same_length=True)
            self.fps, self.aspect = self._source.fps, self._source.aspect
            if self._source.count is not None and self._source.count != count:
                raise self._wrong_number(f"found {self._source.count + 1}")

    def __iter__(self) -> Iterator[Shot]:
        """Yield the shots; raises as reading a frame does, and InputError if a stream turns out too short."""
        if self._source is None:
            for index in range(self._count):
                yield Shot(self._image, None, index / self.fps, 1 / self.fps)
            return
        done = 0
        for pair in self._source.pairs(0, self._count):
            yield Shot(pair.frame1, pair.frame2, pair.time, pair.duration)
            done += 1
        if done < self._count:
            raise self._wrong_number(f"they ended after {done + 1}")

    def _wrong_number(self, found: str) -> InputError:
        plural = "s" if self._count > 1 else ""
        return InputError(
            f"expected {self._count + 1} frames for {self._count} flow file{plural}, {found}; "
            "--start, --end and --stride choose those that the flow was estimated from"
        )


def _is_image(text: str) -> bool:
    path = Path(text)
    return path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES
