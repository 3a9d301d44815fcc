"""One file that holds a sequence: a TIFF of several pages, an animated WebP or PNG."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.io.image import StoredImage, choose_range, decode_pages, read_header, to_frame
from flowcli.io.image.range import ChosenRange, RangeChoice
from flowcli.io.limits import map_bytes, read_bytes
from flowcli.io.sources.base import Footage
from flowcli.io.sources.images import note_range, spread

# Larger files of microscopes and fast cameras are mapped instead of read.
_READ_AT_MOST = 2**28


class StackReader:
    """The images of one file as frames; an animation has times of its own.

    Raises:
        InputError: the file cannot be read, or holds a single image.
        FormatError: it is damaged, or its first image is.
    """

    def __init__(self, path: Path, fps: Fraction, choice: RangeChoice = "auto") -> None:
        """Read the headers and the first image."""
        self._path = path
        self._data = load_stack(path)
        _, header = read_header(self._data, str(path))
        if header.pages < 2:
            raise InputError(f"{path}: expected two images, one folder, a glob or a video, got a single image")
        opening = next(self._decode(range(1)))
        self._range: ChosenRange = choose_range(self._samples(opening, header.pages), choice)
        times: tuple[Fraction, ...] | None = None
        if header.durations:
            times = tuple(accumulate(header.durations[:-1], initial=Fraction(0)))
            fps = header.pages / sum(header.durations, Fraction(0))
        notes = note_range(opening, self._range, choice)
        self.footage = Footage(path.stem, opening.size, fps, header.pages, times=times, notes=notes)

    def name(self, index: int) -> str:
        """Return the file's name and the number of the image."""
        return f"{self._path.stem}_{index:06d}"

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield images first, first + step, ... before `stop`; see FrameReader."""
        for image in self._decode(range(self.footage.length or 0)[first:stop:step]):
            yield to_frame(image, self._range)

    def _decode(self, numbers: range) -> Iterator[StoredImage]:
        return decode_pages(self._data, str(self._path), numbers)

    def _samples(self, opening: StoredImage, length: int) -> Iterator[StoredImage]:
        yield opening
        yield from decode_pages(self._data, str(self._path), spread(length))


def load_stack(path: Path) -> bytes:
    """Return the bytes of a file that may be very large if it is a TIFF."""
    is_large = path.suffix.lower() in (".tif", ".tiff") and path.is_file() and path.stat().st_size > _READ_AT_MOST
    return map_bytes(path) if is_large else read_bytes(path)
