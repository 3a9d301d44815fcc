"""What every input has in common: a FrameReader yields single frames, a FrameSource makes pairs of them.

The pairs are of consecutive frames, each decoded once and never more than two held, and their sizes are checked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from flowcli.errors import FlowcliError, InputError
from flowcli.flow import Frame
from flowcli.io.frames import Selection
from flowcli.io.video.damage import Met


class PairName(str):
    """The stem for files of a pair, which knows the numbers of its frames.

    Attributes:
        frame: number of frame 1 in the input, from 0.
        step: frames from there to frame 2.
    """

    frame: int
    step: int

    def __new__(cls, name: str, frame: int = 0, step: int = 1) -> PairName:
        """Make it of the stem and the numbers."""
        made = super().__new__(cls, name)
        made.frame, made.step = frame, step
        return made


@dataclass(frozen=True, eq=False)
class FramePair:
    """Two consecutive frames of a sequence.

    Attributes:
        name: stem for the files of this pair, unique within the sequence.
        frame1: uint8 `(H, W, 3)` RGB.
        frame2: the same size.
        time: seconds of frame 1 after the first frame of the selection.
        duration: seconds from frame 1 to frame 2, more than 0.
        repeats: whether these are the frames of the pair before once more, for the flow of the last frame.
        leads: whether it is there for what comes after it, and has no result of its own.
    """

    name: PairName
    frame1: Frame
    frame2: Frame
    time: Fraction
    duration: Fraction
    repeats: bool = False
    leads: bool = False


@dataclass(frozen=True)
class Footage:
    """What is known of an input before its frames are read; they are numbered from 0 in the order of time.

    Attributes:
        stem: what outputs are named after.
        size: (height, width) of the first frame, upright.
        fps: frames per second, the nominal rate if it varies.
        length: number of frames; None if only reading to the end can tell.
        aspect: width of a pixel over its height when shown.
        times: seconds of every frame, ascending from 0; None if they come at `fps`.
        rereadable: whether frames can be read again, and from any one on.
        origin: seconds of frame 0 on the clock of the file, if it is a film that has one.
        notes: what the user should know of how they are read, each without the name of the input in front.
        opened: number of frames that are in memory already.
        decoder: bytes that a decoder holds between frames.
    """

    stem: str
    size: tuple[int, int]
    fps: Fraction
    length: int | None
    aspect: Fraction = Fraction(1)
    times: Sequence[Fraction] | None = None
    rereadable: bool = True
    origin: Fraction | None = None
    notes: tuple[str, ...] = ()
    opened: int = 0
    decoder: int = 0


class FrameReader(Protocol):
    """One kind of input."""

    @property
    def footage(self) -> Footage:
        """What is known of it."""
        ...

    def name(self, index: int) -> str:
        """Return the stem for files that belong to frame `index`."""
        ...

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield frames first, first + step, ... before `stop` (None: to the end).

        Raises:
            InputError, FormatError: at the frame that cannot be read, after all those before it.
        """
        ...


class FrameSource:
    """The selected frames of one input as pairs of consecutive frames.

    Attributes:
        stem: what outputs are named after.
        size: (height, width) of every frame.
        fps: pairs per second: the nominal frame rate divided by the stride.
        stride: frames of the input from one selected frame to the next.
        count: number of pairs, or None if only reading to the end can tell.
        aspect: width of a pixel over its height when shown.
        is_pair: two images named one by one, not a sequence.
        paths: the files and folders that were named.
        rereadable: whether pairs can be read more than once.
        begins: seconds of the first selected frame on the clock of the film; None if the input is no film.
        notes: what the user should know of how the frames are read, one line each.
        opened: number of frames that are in memory already.
        decoder: bytes that a decoder holds between frames.
    """

    def __init__(
        self,
        reader: FrameReader,
        selection: Selection,
        paths: Sequence[Path],
        *,
        is_pair: bool = False,
        same_length: bool = False,
    ) -> None:
        """Select frames of `reader`.

        Args:
            reader: of the input.
            selection: which frames.
            paths: the files and folders that were named.
            is_pair: two images named one by one, not a sequence.
            same_length: end with the last pair once more, so that there are as many pairs as frames.

        Raises:
            InputError: fewer than two frames are left.
        """
        footage = reader.footage
        self._reader, self._times = reader, footage.times
        self._first, self._stop = selection.indices(footage.length, footage.fps, footage.times)
        self._step = selection.step(None if self._stop is None else self._stop - self._first, footage.fps)
        self.stride = self._step
        self.stem = footage.stem
        self.size = footage.size
        self.fps = footage.fps / self._step
        self.aspect = footage.aspect
        self.paths = tuple(paths)
        self.is_pair = is_pair
        self.rereadable = footage.rereadable
        self.begins = None if footage.origin is None else footage.origin + self._time_of_first(footage)
        self.opened, self.decoder = footage.opened, footage.decoder
        self.notes = tuple(f"{paths[0] if paths else footage.stem}: {note}" for note in footage.notes)
        self.count: int | None = None
        self._same_length = same_length and not is_pair
        if self._stop is not None:
            frames = len(range(self._first, self._stop, self._step))
            if footage.length is not None or frames < 2:
                self.count = frames - 1 + self._same_length
            if frames < 2:
                held = "" if footage.length is None else f" of the {footage.length} there are"
                raise InputError(f"{self.stem}: expected at least two frames, {frames}{held} selected")

    def _time_of_first(self, footage: Footage) -> Fraction:
        times = footage.times
        if times is None or self._first >= len(times):
            return self._first / footage.fps
        return times[self._first]

    def name(self, index: int) -> PairName:
        """Return the name of pair `index`, counted from 0."""
        frame = self._first + index * self._step
        return PairName(self._reader.name(frame), frame, self._step)

    def time(self, index: int) -> Fraction:
        """Return the seconds of frame 1 of pair `index` after the first selected frame."""
        times, frame = self._times, self._first + index * self._step
        if times is None:
            return index / self.fps
        return times[frame] - times[self._first]

    def pairs(self, start: int = 0, stop: int | None = None) -> Generator[FramePair, None, None]:
        """Yield pairs `start` to before `stop`, in order.

        Raises:
            InputError: a frame has another size than the first, or cannot be read; every pair before it has been
                yielded by then.
            FormatError: a frame is damaged; likewise.
        """
        step, repeated = self._step, self._repeated
        if stop == self.count:
            stop = None
        # The last pair needs the frames of the one before.
        begin = start - 1 if start == repeated else start
        last = self._stop if stop is None else self._first + stop * step + 1
        before: Frame | None = None
        previous: Frame | None = None
        number, fault = begin - 1, None
        try:
            for number, frame in enumerate(self._reader.read(self._first + begin * step, last, step), begin):
                if frame.shape[:2] != self.size:
                    self._refuse_size(number, frame)
                if previous is not None and number > start:
                    yield self._pair(number - 1, previous, frame)
                before, previous = previous, frame
        except FlowcliError as error:
            fault = error
        if number < 1 and fault is None:
            raise InputError(f"{self.stem}: expected at least two frames, found {number + 1}")
        complete = stop is None and (number == repeated if repeated is not None else fault is None)
        if self._same_length and complete and before is not None and previous is not None:
            pair = self._pair(number - 1, before, previous)
            yield replace(pair, name=self.name(number), time=self.time(number), repeats=True)
        if fault is not None:
            raise fault

    @property
    def met(self) -> Met:
        """What turned out to be wrong when pairs were last read to where they were to end."""
        return getattr(self._reader, "met", Met())

    def explain(self, several: Iterable[Met]) -> str | None:
        """Return in one line what is wrong with the frames, given what readings of all of them have met, if it tells.

        A reading to the end raises it; this is for whoever read in pieces.
        """
        explain = getattr(self._reader, "explain", None)
        return None if explain is None else explain(several)

    @property
    def _repeated(self) -> int | None:
        return self.count - 1 if self._same_length and self.count is not None else None

    def _pair(self, index: int, frame1: Frame, frame2: Frame) -> FramePair:
        begin, end = self.time(index), self.time(index + 1)
        return FramePair(self.name(index), frame1, frame2, begin, end - begin)

    def sample(self, number: int) -> Iterator[tuple[Frame, Frame]]:
        """Yield at most `number` pairs, spread evenly over a rereadable source, without unreadable ones."""
        assert self.count is not None and self.rereadable
        count = self.count - self._same_length
        number = min(number, count)
        for k in range(number):
            place = (2 * k + 1) * count // (2 * number)
            # Whoever reads the pairs themselves will be told of the fault.
            with suppress(FlowcliError), closing(self.pairs(place, place + 1)) as pairs:
                for pair in pairs:
                    yield pair.frame1, pair.frame2
                    break

    def _refuse_size(self, number: int, frame: Frame) -> None:
        (height, width), found = self.size, f"{frame.shape[1]}x{frame.shape[0]}"
        index = self._first + number * self._step
        raise InputError(
            f"{self.stem}: expected frames of {width}x{height} as the first, found {found} at frame {index}; "
            f"use --end {index} for the part before it and --start {index} for the part after"
        )
