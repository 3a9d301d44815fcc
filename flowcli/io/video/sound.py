"""The sound of a film beside the pictures made from it: packets are copied, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from flowcli.errors import FlowcliError, InputError, UsageError
from flowcli.io.video.container import open_container, read_packets
from flowcli.io.video.formats import VIDEO_FORMATS


@dataclass(frozen=True)
class Sound:
    """A part of the sound of a file.

    Attributes:
        path: the file.
        begin: where the pictures begin, in seconds of the file's own clock.
        duration: of the pictures, in seconds.
    """

    path: Path
    begin: Fraction
    duration: Fraction


def check_sound(path: Path, video: Path) -> None:
    """Refuse what cannot be copied, before any work is done.

    Args:
        path: the film.
        video: what will be made.

    Raises:
        UsageError: the kind of video to be made has no place for it.
        InputError: the film has no sound.
    """
    row = VIDEO_FORMATS[video.suffix.lower()]
    if row.container == "gif":
        raise UsageError(f"{video}: --audio copy needs a video with sound; a GIF has none")
    with open_container(path) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            raise InputError(f"{path}: has no sound to be copied; leave --audio out")
        codec = stream.codec_context.codec.name if stream.codec_context is not None else "unknown"
        codec = {"libopus": "opus", "libvorbis": "vorbis", "mp3float": "mp3"}.get(codec, codec)
        if row.sound and codec not in row.sound:
            raise UsageError(
                f"{video}: its kind of file takes sound of {', '.join(row.sound)}, that of {path.name} is {codec}; "
                "name an .mkv, which takes all"
            )


def has_sound(path: Path, video: Path) -> bool:
    """Return whether the sound of a film can go beside the pictures."""
    try:
        check_sound(path, video)
    except FlowcliError:
        return False
    return True


def read_sound(sound: Sound, target: OutputContainer) -> Iterator[Packet]:
    """Add a stream for the sound to `target`, and then yield its packets, on the clock of the pictures.

    A packet that ends before the pictures begin is left out, and so is all that begins after their end; what a decoder
    has to hear before the first sample is kept at the start of a film. Damage ends it.
    """
    with open_container(sound.path) as container:
        stream = container.streams.audio[0]
        copied = target.add_stream_from_template(stream)
        assert isinstance(copied, AudioStream)
        tick = stream.time_base
        assert tick is not None
        shift, end = round(sound.begin / tick), round((sound.begin + sound.duration) / tick)
        yield Packet()  # the stream is there; its header may be written
        if sound.begin > 0:
            container.seek(shift, stream=stream, backward=True)
        try:
            for packet in read_packets(container, stream):  # pyright: ignore[reportArgumentType]
                if packet.pts is None or packet.dts is None:
                    continue
                if shift > 0 and packet.pts + (packet.duration or 0) <= shift:
                    continue
                if packet.pts >= end:
                    return
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copied
                yield packet
        except FFmpegError:
            return
