"""Segments of one video into one file: packets are copied, nothing is encoded again."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from flowcli.errors import OutputError
from flowcli.io.atomic import replace_when_complete
from flowcli.io.video.container import ANY_TEXT
from flowcli.io.video.write import VIDEO_FORMATS


def join_videos(segments: Iterable[tuple[Path, Fraction]], path: Path, comment: str) -> None:
    """Write the segments one after the other, atomically.

    Args:
        segments: files made by VideoSink with one row of VIDEO_FORMATS and one size, each with the seconds at which it
            begins; its own times begin at 0.
        path: the video; its suffix names that row.
        comment: goes into the metadata.

    Raises:
        OutputError: a segment is gone or damaged, or the file cannot be written.
    """
    row = VIDEO_FORMATS[path.suffix.lower()]
    target: VideoStream | None = None
    last = -(2**62)
    try:
        with (
            replace_when_complete(path) as temporary,
            av.open(temporary, "w", row.container, row.muxing, **ANY_TEXT) as container,
        ):
            container.metadata["comment"] = comment
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
                        container.mux(packet)
    except FFmpegError as error:
        raise OutputError(f"{path}: its segments cannot be joined: {error.strerror}") from error
