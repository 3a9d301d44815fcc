"""A sequence of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.io.image import read_image
from flowcli.io.sources.base import Footage


class ImageReader:
    """Images at a fixed rate; the first two are read at once, so that a fault there shows before any work is done.

    Raises:
        InputError: one of the first two is missing, or they differ in size.
        FormatError: one of the first two is damaged.
    """

    def __init__(self, paths: Sequence[Path], stem: str, fps: Fraction) -> None:
        self._paths = list(paths)
        self._opening = [read_image(path) for path in paths[:2]]
        height, width = self._opening[0].shape[:2]
        self.footage = Footage(stem, (height, width), fps, len(paths))
        for path, frame in zip(paths, self._opening, strict=False):
            if frame.shape[:2] != (height, width):
                raise InputError(
                    f"{path}: expected {width}x{height} as in {paths[0]}, found {frame.shape[1]}x{frame.shape[0]}; "
                    "resize one of them first"
                )
        stems = [path.stem for path in paths]
        # a.png and a.jpg, or the same name in two folders: number them, because names of outputs have to be unique.
        self._numbered = len(set(stems)) < len(stems)

    def name(self, index: int) -> str:
        """Return the stem of the file, with its number where stems repeat."""
        stem = self._paths[index].stem
        return f"{index:06d}_{stem}" if self._numbered else stem

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield images first, first + step, ... before `stop`; see FrameReader."""
        for index in range(len(self._paths))[first:stop:step]:
            yield self._opening[index] if index < 2 else read_image(self._paths[index])
