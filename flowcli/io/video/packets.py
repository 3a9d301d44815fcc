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
from zlib import crc32

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from flowcli.io.frames import Moment
from flowcli.io.video.bitstream import HeaderWatch, find_look
from flowcli.io.video.container import INTERLACED, TRANSPORT_STREAM, promised_end, read_packets
from flowcli.io.video.decode import INCOMPLETE

# Frames are stored in the order of decoding; none is shown more than this many places earlier than it is stored.
REORDERING = 32
# A transport stream is a row of packets of this many bytes: as broadcast, on Blu-ray and camcorders, with error codes.
_TRANSPORT_PACKETS = (188, 192, 204)
# A file that is shorter than its header says by more than this is cut short. Headers round, and count the audio.
_SLACK_SECONDS = 0.5


@dataclass(frozen=True)
class PacketScan:
    """What the packets of one video stream say of its frames.

    Attributes:
        length: number of frames that are whole.
        timestamps: of every frame in ticks of the stream, ascending; empty if the file has none, or repeats one.
        keyframes: timestamps of the frames at which decoding can begin, ascending; empty if `timestamps` is.
        checksums: of the packets of the key frames.
        duration: of every frame in ticks of the stream; 0 if it varies, or is not known.
        doubtful: whether decoding may give other frames than these.
        headless: whether that holds before the first key frame: the file begins between two, or with frames that need
            some before them.
        complete: whether the file was read to its end.
        fault: what is wrong with the file after the last whole frame, or None.
    """

    length: int
    timestamps: Sequence[int]
    keyframes: Sequence[int]
    checksums: Sequence[int]
    duration: int
    doubtful: bool
    headless: bool
    complete: bool
    fault: str | None


def scan_packets(container: InputContainer, stream: VideoStream, end: Moment | None) -> PacketScan:
    """Read the packets of a freshly opened container.

    Args:
        container: at its start; is left at its end.
        stream: the video stream to index.
        end: no frame from this moment on is wanted, and the rest of the file need not be read; None reads it all.
    """
    extradata = stream.codec_context.extradata
    look, headers = find_look(stream.codec_context.name, extradata), HeaderWatch(extradata)
    stamps = array("q")
    keys: dict[int, int] = {}
    durations: set[int] = set()
    last_end, fault, complete = Fraction(0), None, True
    incomplete = doubtful = False
    begins_late, unstamped = False, 0
    try:
        for packet in read_packets(container):
            if packet.size == 0:
                continue
            last_end = max(last_end, _end_of(packet))
            if packet.stream_index != stream.index:
                continue
            # Damage before the last packet: FFmpeg patches the picture up, or leaves it out.
            doubtful = doubtful or incomplete
            incomplete = packet.is_corrupt
            data = bytes(packet) if look is not None or packet.is_keyframe else b""
            glimpse = None if look is None else look(data)
            doubtful = doubtful or (glimpse is not None and glimpse.frames is None)
            follows = glimpse is None or (headers.suffices(glimpse.headers) and glimpse.key)
            if packet.is_discard or (glimpse is not None and glimpse.frames == 0):
                continue
            unstamped += packet.pts is None
            if len(durations) < 2:
                durations.add(packet.duration or 0)
            stamps.append(packet.pts or 0)
            begins_late = begins_late or (len(stamps) == 1 and not (packet.is_keyframe and follows))
            if packet.is_keyframe and follows:
                keys[stamps[-1]] = crc32(data)
            if end is not None and is_past(end, len(stamps), stamps, stream.time_base or Fraction(1)):
                complete = False
                break
    except FFmpegError as error:
        fault = f"FFmpeg says: {error.strerror}"
    length = len(stamps)
    # Transport streams may lose a packet anywhere, and FFmpeg patches the picture up; at the end half a frame is left.
    if container.format.name == TRANSPORT_STREAM and all(container.size % n for n in _TRANSPORT_PACKETS):
        incomplete = length > 0
    if incomplete and complete and fault is None:
        length, fault = length - 1, INCOMPLETE
        stamps.pop()
    ordered = array("q", sorted(stamps))
    if unstamped:
        # Times of some frames only: of two fields in packets of their own the first has one.
        doubtful = doubtful or unstamped < len(stamps) or stream.codec_context.field_order in INTERLACED
    elif any(a == b for a, b in pairwise(ordered)):
        # Times that repeat are those of a writer that lost count, or of a file that was pieced together.
        doubtful, unstamped = True, 1
    elif container.format.name == "avi" and stream.codec_context.has_b_frames:
        # It has no times of showing, and FFmpeg puts those of decoding in their place.
        unstamped = 1
    if unstamped:
        doubtful = doubtful or begins_late
        ordered = array("q")
        keys.clear()
    keyframes = array("q", sorted(keys))
    headless = len(ordered) > 0 and (not keyframes or keyframes[0] != ordered[0])
    if complete and fault is None:
        fault = _missing_end(container, stream, ordered, last_end)
    duration = durations.pop() if len(durations) == 1 else 0
    checksums = [keys[key] for key in keyframes]
    return PacketScan(length, ordered, keyframes, checksums, duration, doubtful, headless, complete, fault)


def is_past(end: Moment, length: int, stamps: Sequence[int], tick: Fraction) -> bool:
    """Return whether of `length` frames with `stamps`, in the order of decoding, none up to `end` is missing."""
    if isinstance(end.value, int):
        return length >= end.value + REORDERING
    # The first frame shown is among the first stored.
    recent = stamps[-REORDERING:]
    return length > REORDERING and (min(recent) - min(stamps[:REORDERING])) * tick > end.value


def _end_of(packet: Packet) -> Fraction:
    if packet.pts is None or packet.time_base is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def _missing_end(
    container: InputContainer, stream: VideoStream, stamps: Sequence[int], last_end: Fraction
) -> str | None:
    promised, alone = promised_end(container, stream)
    found, start = last_end, Fraction(container.start_time or 0, 1_000_000)
    if alone and stamps:
        # Matroska: from time 0 to the end of its last frame.
        start = Fraction(0)
        found = max(stamps) * (stream.time_base or Fraction(0)) + (
            1 / stream.average_rate if stream.average_rate else 0
        )
    found -= start
    if promised - found <= max(_SLACK_SECONDS, promised / 50):
        return None
    return f"it ends after {float(found):.2f} s of {float(promised):.2f} s"
