"""Segments of one video into one file: packets are copied, nothing is encoded again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from flowcli.errors import OutputError
from flowcli.io.atomic import replace_when_complete
from flowcli.io.video.container import ANY_TEXT
from flowcli.io.video.formats import VIDEO_FORMATS
from flowcli.io.video.sound import Sound, read_sound


def join_videos(
    segments: Iterable[tuple[Path, Fraction]], path: Path, comment: str, sound: Sound | None = None
) -> None:
    """Write the segments one after the other, atomically.

    Args:
        segments: files made by VideoSink with one row of VIDEO_FORMATS and one size, each with the seconds at which it
            begins; its own times begin at 0.
        path: the video; its suffix names that row.
        comment: goes into the metadata.
        sound: goes beside the pictures.

    Raises:
        OutputError: a segment is gone or damaged, or the file cannot be written.
    """
    row = VIDEO_FORMATS[path.suffix.lower()]
    try:
        with (
            replace_when_complete(path) as temporary,
            av.open(temporary, "w", row.container, row.muxing, **ANY_TEXT) as container,
        ):
            container.metadata["comment"] = comment
            pictures = _copy_pictures(segments, container)
            packets = pictures
            if sound is not None:
                # Streams have to be there before the first packet is written; each begins by adding its own.
                heard = read_sound(sound, container)
                ahead = [next(pictures, None), next(heard, None)]
                packets = _by_time(chain([ahead[0]] if ahead[0] else [], pictures), heard)
            for packet in packets:
                container.mux(packet)
    except FFmpegError as error:
        raise OutputError(f"{path}: its segments cannot be joined: {error.strerror}") from error


def add_sound(video: Path, path: Path, comment: str, sound: Sound) -> None:
    """Write a finished video again with sound beside its pictures; raises OutputError."""
    join_videos([(video, Fraction(0))], path, comment, sound)


def _copy_pictures(segments: Iterable[tuple[Path, Fraction]], container: OutputContainer) -> Iterator[Packet]:
    target: VideoStream | None = None
    last = -(2**62)
    for segment, begin in segments:
        with av.open(segment, **ANY_TEXT) as source:
            stream = source.streams.video[0]
            assert stream.time_base is not None
            if target is None:
                copied = container.add_stream_from_template(stream)
                assert isinstance(copied, VideoStream)
                copied.time_base = stream.time_base
                target = copied
            shift = round(begin / stream.time_base)
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None:
                    continue
                # Decoding order must ascend, also where an irregular rate brings two segments close.
                last = max(packet.dts + shift, last + 1)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, last, target
                yield packet


def _by_time(pictures: Iterable[Packet], heard: Iterable[Packet]) -> Iterator[Packet]:
    def seconds(packet: Packet) -> Fraction:
        return (packet.dts or 0) * (packet.time_base or Fraction(0))

    yield from merge(pictures, heard, key=seconds)
