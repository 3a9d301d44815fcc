"""A sequence of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from flowcli.errors import FlowcliError, InputError
from flowcli.flow import Frame
from flowcli.io.image import RangeChoice, StoredImage, ValueRange, choose_range, describe_range, read_stored, to_frame
from flowcli.io.image.range import ChosenRange
from flowcli.io.sources.base import Footage

# Deep images that the range of a sequence is taken from, spread evenly.
_SAMPLES = 16


class ImageReader:
    """Images at a fixed rate; the first two are read at once, so that a fault there shows before any work is done.

    Raises:
        InputError: one of the first two is missing, or they differ in size.
        FormatError: one of the first two is damaged.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        stem: str,
        fps: Fraction,
        choice: RangeChoice = "auto",
        notes: Sequence[str] = (),
    ) -> None:
        """Read the first two, and choose the range of values for all if they have more than 8 bits."""
        self._paths = list(paths)
        opening = [read_stored(path) for path in paths[:2]]
        height, width = opening[0].size
        for path, image in zip(paths, opening, strict=False):
            if image.size != (height, width):
                raise InputError(
                    f"{path}: expected {width}x{height} as in {paths[0]}, found {image.size[1]}x{image.size[0]}; "
                    "resize one of them first"
                )
        self._range: ChosenRange = choose_range(self._samples(opening), choice)
        self._opening = {index: to_frame(image, self._range) for index, image in enumerate(opening)}
        self.footage = Footage(
            stem,
            (height, width),
            fps,
            len(paths),
            notes=(*notes, *_note_pages(paths, opening), *note_range(opening[0], self._range, choice)),
            opened=len(opening),
        )
        stems = [path.stem for path in paths]
        # a.png and a.jpg, or the same name in two folders: number them, because names of outputs have to be unique.
        self._numbered = len(set(stems)) < len(stems)

    def _samples(self, opening: Sequence[StoredImage]) -> Iterator[StoredImage]:
        yield from opening
        for place in spread(len(self._paths)):
            # Whoever reads the frames themselves will be told of the fault.
            with suppress(FlowcliError):
                yield read_stored(self._paths[place])

    def name(self, index: int) -> str:
        """Return the stem of the file, with its number where stems repeat."""
        stem = self._paths[index].stem
        return f"{index:06d}_{stem}" if self._numbered else stem

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield images first, first + step, ... before `stop`; see FrameReader."""
        for index in range(len(self._paths))[first:stop:step]:
            yield self._open(index)

    def _open(self, index: int) -> Frame:
        # The first two are there; those of a sequence would stay for nothing once they were given.
        frame = self._opening.get(index) if len(self._paths) == 2 else self._opening.pop(index, None)
        return to_frame(read_stored(self._paths[index]), self._range) if frame is None else frame


def spread(length: int) -> list[int]:
    """Return numbers of at most _SAMPLES frames after the first two, spread evenly to the last."""
    number = min(_SAMPLES, length)
    return sorted({k * (length - 1) // max(1, number - 1) for k in range(number)} - {0, 1})


def note_range(image: StoredImage, chosen: ChosenRange, choice: RangeChoice) -> tuple[str, ...]:
    """Return a line about a range that nobody asked for, if there is one."""
    if choice == "auto" and isinstance(chosen, ValueRange):
        return (describe_range(chosen, image),)
    return ()


def _note_pages(paths: Sequence[Path], opening: Sequence[StoredImage]) -> tuple[str, ...]:
    for path, image in zip(paths, opening, strict=False):
        if image.pages > 1:
            return (f"{path.name} holds {image.pages} images, of which the first is used; by itself it is a sequence",)
    return ()
