"""Frames of a video, by PyAV (FFmpeg's libraries) directly.

Not by imageio, whose plugins give neither the timestamp of every frame, the display matrix, the pixel aspect nor
decoding errors, and do not seek to an exact frame.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain, dropwhile, islice, repeat
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from flowcli.errors import FormatError
from flowcli.flow import Frame
from flowcli.io.frames import Selection
from flowcli.io.limits import check_size
from flowcli.io.sources.base import Footage
from flowcli.io.video.container import nominal_rates, open_video, promised_end, read_packets
from flowcli.io.video.damage import Met
from flowcli.io.video.decode import decode_packets
from flowcli.io.video.deinterlace import REACH, deinterlace, is_interlaced
from flowcli.io.video.index import index_video
from flowcli.io.video.packets import checksum_of
from flowcli.io.video.picture import PictureMaker

# Pictures that a decoder keeps for others, mostly 4 or 5; and bytes of the rest of it.
_REFERENCES, _LIBRARIES = 8, 2**24


class VideoReader:
    """One video file; frames are numbered as sequential decoding gives them, upright as its display matrix asks.

    Attributes:
        footage: see FrameReader.
        met: what turned out to be wrong when it was last read.

    Raises:
        InputError: the file cannot be opened.
        FormatError: it is no video, or its first frame cannot be decoded.
    """

    def __init__(self, path: Path, selection: Selection | None = None) -> None:
        """Index the file as far as frames are wanted, and decode the first frame."""
        self._path = path
        selection = selection or Selection()
        index = self._index = index_video(path, selection.end)
        with open_video(path) as (container, stream):
            aspect = stream.sample_aspect_ratio or Fraction(1)
            first = next(decode_packets(read_packets(container, stream), stream.decode, _Found().complain), None)
            if first is None:
                raise FormatError(f"{path}: expected a video, found no frame in it{self._because()}")
            self._interlaced = is_interlaced(stream, first)
            tick = stream.time_base or Fraction(0)
            start = index.timestamps[0] if len(index.timestamps) else stream.start_time or 0
        self._maker = PictureMaker(first, str(path))
        height, width = first.height, first.width
        if self._maker.is_turned:
            height, width, aspect = width, height, 1 / aspect
        check_size(str(path), height, width)
        self.footage = Footage(
            path.stem,
            (height, width),
            index.fps,
            index.length,
            aspect,
            index.times,
            origin=start * tick,
            notes=tuple(self._notes()),
            decoder=_count_decoder_bytes(first),
        )
        # What is wrong outside of the selection is nobody's business.
        self._first, last = selection.indices(index.length, index.fps, index.times)
        self._last = index.length if last is None else last
        self.met = Met()

    def name(self, index: int) -> str:
        """Return the video's name and the number of the frame."""
        return f"{self._path.stem}_{index:06d}"

    @property
    def damage(self) -> str | None:
        """What is known to be wrong with the selected frames before they are read, in one line; None if nothing is."""
        return self._index.damage.describe(self._first, self._last, self._index.length)

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield frames first, first + step, ...; only these are converted to RGB. See FrameReader.

        At the end of the selection FormatError tells of all that is wrong in it; the frames are as good as they can be.
        """
        length = self._index.length
        stop = length if stop is None else min(stop, length)
        found = _Found()
        number = first - 1
        for number, frame in enumerate(self._whole_frames_from(first, found), first):
            if number >= stop:
                break
            if (number - first) % step == 0:
                yield self._maker.make(frame)
        else:
            number += 1
        self.met = Met(min(number, stop), frozenset({*found.damaged, *found.absent}), found.reason)
        if stop >= self._last and (fault := self.explain([self.met])) is not None:
            raise FormatError(fault)

    def explain(self, several: Iterable[Met]) -> str | None:
        """Return in one line what is wrong with the selected frames, given what readings of all of them have met."""
        index, met = self._index, Met.of(several)
        damage = index.damage
        if not index.counted:
            damage = replace(
                damage, damaged=sorted(met.damaged.union(damage.damaged)), reason=damage.reason or met.reason
            )
        if met.reached < self._last and damage.end is None:
            more = self._last - met.reached
            damage = replace(damage, end=f"{more} more frame{'s' if more > 1 else ''} cannot be decoded")
        fault = damage.describe(self._first, self._last, index.length)
        return None if fault is None else f"{self._path}: {fault}"

    def _because(self) -> str:
        damage = self._index.damage
        return f" ({damage.end or damage.reason})" if damage.end or damage.reason else ""

    def _notes(self) -> Iterator[str]:
        leading = self._index.leading
        if leading:
            plural = "s" if leading > 1 else ""
            yield f"begins between key frames: {leading} frame{plural} at its start cannot be decoded and do not count"
        if self._interlaced:
            yield "is interlaced; its frames are deinterlaced (FFmpeg's bwdif)"
        if self._maker.curve is not None:
            yield f"is in high dynamic range ({self._maker.curve}); its frames are mapped to the range of a screen"

    def _whole_frames_from(self, first: int, found: _Found) -> Iterator[VideoFrame]:
        if not self._interlaced:
            yield from self._frames_from(first, found)
            return
        before = min(REACH, first)
        yield from islice(deinterlace(self._frames_from(first - before, found)), before, None)

    def _frames_from(self, first: int, found: _Found) -> Iterator[VideoFrame]:
        index = self._index
        place = bisect_right(index.keyframes, index.timestamps[first]) if first < len(index.timestamps) else 0
        # To decode from the first key frame is to decode from the start.
        if place > 1:
            empty = True
            for frame in self._frames_after_seek(place - 1, first, found):
                empty = False
                yield frame
            if not empty:
                return
        with open_video(self._path) as (container, stream):
            frames = decode_packets(read_packets(container, stream), stream.decode, found.complain)
            yield from islice(self._without_gaps(frames, 0, found), first, None)

    def _frames_after_seek(self, place: int, first: int, found: _Found) -> Iterator[VideoFrame]:
        # Nothing unless all from the key frame up to frame `first` is as decoding from the start gives it.
        index, stamps = self._index, self._index.timestamps
        key, before, checksum = index.keyframes[place], index.keyframes[place - 1], index.checksums[place]
        start, faults = bisect_left(stamps, key), _Found()
        with open_video(self._path) as (container, stream):
            packets = _packets_from(container, stream, key, before, checksum)
            frames = decode_packets(packets, stream.decode, faults.complain)
            # Shown before the key frame, though stored after it: needs what was before.
            frames = dropwhile(lambda frame: frame.pts is not None and frame.pts < key, frames)
            head = list[VideoFrame]()
            for number, frame in zip(range(start, first + 1), frames, strict=False):
                begins = number > start or (frame.key_frame and frame.pict_type == PictureType.I)
                if faults.reason or frame.is_corrupt or not begins or frame.pts != stamps[number]:
                    return
                head = [frame]
            if head and head[0].pts == stamps[first]:
                yield from self._without_gaps(chain(head, frames), first, found)

    def _without_gaps(self, frames: Iterator[VideoFrame], number: int, found: _Found) -> Iterator[VideoFrame]:
        # Frame `number` and those after it. Where the frames were not counted by decoding, their times tell where one
        # is missing; the one before it stands in, so that all others keep the number that they have after a seek.
        stamps = array("q") if self._index.counted else self._index.timestamps
        last: VideoFrame | None = None
        for frame in frames:
            if frame.pts is not None and number < len(stamps) and frame.pts > stamps[number]:
                place = bisect_left(stamps, frame.pts, number)
                if place < len(stamps) and stamps[place] == frame.pts:
                    found.absent.extend(range(number, place))
                    yield from repeat(last or frame, place - number)
                    number = place
            elif frame.pts is not None and 0 < number < len(stamps) and frame.pts < stamps[number]:
                # Too late: another stood in for it.
                continue
            if frame.is_corrupt:
                found.damaged.append(number)
            last = frame
            yield frame
            number += 1


def _count_decoder_bytes(frame: VideoFrame) -> int:
    # Pictures that later ones refer to, and the one that is made. Subsampled colours, or not.
    depth = max((part.bits for part in frame.format.components), default=8)
    return _LIBRARIES + (_REFERENCES + 1) * frame.width * frame.height * 3 // 2 * (1 if depth <= 8 else 2)


class _Found:
    """What turned out to be wrong while reading: numbers of damaged frames, and of those that another stands in for."""

    def __init__(self) -> None:
        self.damaged: list[int] = []
        self.absent: list[int] = []
        self.reason = ""

    def complain(self, _: Packet | None, text: str) -> None:
        """Take down the first thing that FFmpeg says."""
        self.reason = self.reason or text.removeprefix("FFmpeg says: ")


def glance(path: Path) -> tuple[int, Fraction]:
    """Return the number of frames and the frame rate that the header of a video promises; 0 if it promises nothing.

    Raises:
        InputError, FormatError: the file cannot be opened, or is no video.
    """
    with open_video(path) as (container, stream):
        rate = next(iter(nominal_rates(stream)), Fraction(25))
        return max(stream.frames, 0) or round(promised_end(container, stream)[0] * rate), rate


def _packets_from(
    container: InputContainer, stream: VideoStream, key: int, before: int, checksum: int
) -> Iterator[Packet]:
    # The packets from that of the key frame on; none if it is not found. FFmpeg may land elsewhere in transport
    # streams, and cannot seek in raw ones at all; to pass over packets costs little.
    for target in (key, before):
        with suppress(FFmpegError):
            container.seek(target, stream=stream)
        packets = read_packets(container, stream)
        for packet in packets:
            if packet.pts == key and packet.is_keyframe:
                if checksum_of(packet) != checksum:
                    # Without its index FFmpeg makes up times for what comes after a seek.
                    return
                yield packet
                yield from packets
                return
            if packet.dts is not None and packet.dts > key:
                break
