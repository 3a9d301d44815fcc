"""A pass over the packets of a video, without decoding: how many frames, when each is shown, where the file breaks off.

Headers cannot be relied on for any of this: Matroska does not count its frames, a phone's "30 fps" varies, and a file
whose copy was interrupted still promises its full length. Reading packets costs a few per cent of decoding them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from av.error import FFmpegError

from flowcli.io.frames import Moment

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Frames are stored in the order of decoding; none is shown more than this many places earlier than it is stored.
_REORDERING = 32
# A transport stream is a row of packets of this many bytes: as broadcast, on Blu-ray and camcorders, with error codes.
TRANSPORT_STREAM = "mpegts"
_TRANSPORT_PACKETS = (188, 192, 204)
# A file that is shorter than its header says by more than this is cut short. Headers round, and count the audio.
_SLACK_SECONDS = 0.5


@dataclass(frozen=True)
class VideoIndex:
    """The frames of one video stream.

    Attributes:
        length: number of frames that are whole.
        timestamps: of every frame in ticks of `tick`, ascending; empty if the file has none.
        keyframes: timestamps of the frames at which decoding can begin, ascending; empty if `timestamps` is.
        tick: seconds per tick.
        fps: frames per second, the mean if the rate varies.
        times: seconds of every frame after the first; None if they come at `fps` within the file's resolution.
        fault: what is wrong with the file after the last whole frame, or None.
    """

    length: int
    timestamps: Sequence[int]
    keyframes: Sequence[int]
    tick: Fraction
    fps: Fraction
    times: Sequence[Fraction] | None
    fault: str | None


class _Times(Sequence[Fraction]):
    """Timestamps as seconds after the first; a view, because a long film has many."""

    def __init__(self, timestamps: Sequence[int], tick: Fraction) -> None:
        self._timestamps, self._tick = timestamps, tick

    def __len__(self) -> int:
        return len(self._timestamps)

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self._timestamps[index] - self._timestamps[0]) * self._tick


def index_video(container: InputContainer, stream: VideoStream, end: Moment | None) -> VideoIndex:
    """Read the packets of a freshly opened container.

    Args:
        container: at its start; is left at its end.
        stream: the video stream to index.
        end: no frame from this moment on is wanted, and the rest of the file need not be read; None reads it all.
    """
    tick = stream.time_base or Fraction(1, 90_000)
    stamps, keyframes = array("q"), array("q")
    length, last_end, fault, complete = 0, Fraction(0), None, True
    unstamped = incomplete = False
    try:
        for packet in container.demux():
            if packet.size == 0 or packet.is_discard:
                continue
            last_end = max(last_end, _end_of(packet))
            if packet.stream.index != stream.index:
                continue
            incomplete = packet.is_corrupt
            length += 1
            unstamped = unstamped or packet.pts is None
            stamps.append(packet.pts or 0)
            if packet.is_keyframe:
                keyframes.append(stamps[-1])
            if end is not None and _is_past(end, length, stamps, tick):
                complete = False
                break
    except FFmpegError as error:
        fault = f"FFmpeg says: {error.strerror}"
    # Transport streams may lose a packet anywhere, and FFmpeg patches the picture up; at the end half a frame is left.
    if container.format.name == TRANSPORT_STREAM and all(container.size % n for n in _TRANSPORT_PACKETS):
        incomplete = length > 0
    if incomplete and complete and fault is None:
        length, fault = length - 1, "its last frame is incomplete"
        stamps.pop()
    ordered = array("q", sorted(stamps))
    if unstamped or any(a == b for a, b in pairwise(ordered)):
        ordered, keyframes = array("q"), array("q")
    if complete and fault is None:
        fault = _missing_end(container, stream, ordered, last_end)
    fps, times = _find_rate(stream, ordered, tick)
    return VideoIndex(length, ordered, array("q", sorted(keyframes)), tick, fps, times, fault)


def _end_of(packet: Packet) -> Fraction:
    if packet.pts is None or packet.time_base is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def _is_past(end: Moment, length: int, stamps: Sequence[int], tick: Fraction) -> bool:
    if isinstance(end.value, int):
        return length >= end.value + _REORDERING
    # The first frame shown is among the first stored.
    recent = stamps[-_REORDERING:]
    return length > _REORDERING and (min(recent) - min(stamps[:_REORDERING])) * tick > end.value


def _missing_end(
    container: InputContainer, stream: VideoStream, stamps: Sequence[int], last_end: Fraction
) -> str | None:
    found, promised = last_end, Fraction(container.duration or 0, 1_000_000)
    start = Fraction(container.start_time or 0, 1_000_000)
    tag = stream.metadata.get("DURATION", "")
    if tag and stamps:
        # Matroska: this stream alone, from time 0 to the end of its last frame.
        hours, minutes, seconds = (Fraction(part) for part in tag.split("\0")[0].split(":"))
        promised, start = 3600 * hours + 60 * minutes + seconds, Fraction(0)
        found = max(stamps) * (stream.time_base or Fraction(0)) + (
            1 / stream.average_rate if stream.average_rate else 0
        )
    found -= start
    if promised - found <= max(_SLACK_SECONDS, promised / 50):
        return None
    return f"it ends after {float(found):.2f} s of {float(promised):.2f} s"


def _find_rate(
    stream: VideoStream, stamps: Sequence[int], tick: Fraction
) -> tuple[Fraction, Sequence[Fraction] | None]:
    nominal = [rate for rate in (stream.average_rate, stream.base_rate, stream.guessed_rate) if rate]
    if len(stamps) < 2:
        return (nominal[0] if nominal else Fraction(25)), None
    first = stamps[0]
    for rate in nominal:
        # Timestamps are rounded to ticks: a steady rate is never off by more than one.
        per_frame = 1 / (rate * tick)
        if all(abs(stamp - first - number * per_frame) <= 1 for number, stamp in enumerate(stamps)):
            return rate, None
    mean = (len(stamps) - 1) / ((stamps[-1] - first) * tick)
    return mean.limit_denominator(1001), _Times(stamps, tick)
