"""Opening a video file with PyAV, and what its headers say of the one stream in it that is the video.

Headers are promises of whoever wrote the file: text in any encoding, rates and durations that are no number. Nothing
here trusts one further than that it can be shown or compared.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av._core
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from flowcli.errors import FormatError, InputError
from flowcli.io.limits import MAX_PIXELS

# FFmpeg's names of the containers that are treated apart.
TRANSPORT_STREAM = "mpegts"
# AVFieldOrder of FFmpeg's codec_par.h: what is neither unknown nor progressive.
_INTERLACED = (2, 3, 4, 5)
# What is taken where a file says nothing that can be true; FFmpeg's choice for such files, too.
FALLBACK_RATE = Fraction(25)
_FASTEST, _SLOWEST = Fraction(10_000), Fraction(1, 1000)
# Pictures that lie beside the video: covers, thumbnails for chapters.
_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Matroska writes the end of a stream as hours, minutes and seconds with nine decimals.
_DURATION = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,12})?)", re.ASCII)
# Tags are bytes in any encoding. The PyAV after 18 keeps what is not UTF-8 by itself, and has no such argument.
ANY_TEXT: dict[str, Any] = {"metadata_errors": "replace"} if "metadata_errors" in (av.open.__doc__ or "") else {}


_LARGEST_ALLOCATION = 2**28 - 2**23
"""Bytes: a plane of the largest frames in 16 bits. Demuxers believe counts in headers; one asked for 820 MiB."""


def _limit_allocations() -> None:
    # PyAV has no name for this; its modules link FFmpeg's libraries, in which it is looked up. Without it the rest of
    # the limits still hold.
    with suppress(OSError, AttributeError):
        limit = ctypes.CDLL(av._core.__file__).av_max_alloc
        limit.argtypes, limit.restype = [ctypes.c_size_t], None
        limit(_LARGEST_ALLOCATION)


_limit_allocations()


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        InputError: it is missing or cannot be read.
        FormatError: FFmpeg does not know what it is.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        # The prefix keeps FFmpeg from reading "a:b.mp4" as a protocol; a playlist may not reach for the network.
        container = av.open(f"file:{os.fspath(path)}", options={"protocol_whitelist": "file"}, **ANY_TEXT)
    except PermissionError:
        raise InputError(f"{path}: cannot be read: permission denied") from None
    except FFmpegError as error:
        raise FormatError(f"{path}: expected an image or a video, FFmpeg says: {error.strerror}") from None
    except (ValueError, OverflowError) as error:
        # A header that PyAV cannot put into words.
        raise FormatError(f"{path}: expected an image or a video, its header cannot be read: {error}") from None
    with container:
        yield container


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and pick its video stream, for decoding in one thread.

    What FFmpeg makes of damaged data with several depends on luck, and estimating flow takes far longer than decoding.

    Raises:
        InputError: it is missing or cannot be read.
        FormatError: it holds no video, or of a kind that this FFmpeg cannot decode.
    """
    with open_container(path) as container:
        stream = pick_stream(path, container)
        context = stream.codec_context
        context.options = {"max_pixels": str(2 * MAX_PIXELS)}
        context.thread_count = 1
        yield container, stream


def pick_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the video of a file: of its video streams the first that it calls the default one.

    Raises:
        FormatError: there is none that can be decoded.
    """
    # FFmpeg takes any text for ANSI art.
    streams = [] if container.format.name == "tty" else list(container.streams.video)
    videos = [stream for stream in streams if not stream.disposition & _NO_VIDEO] or streams
    if not videos:
        raise FormatError(f"{path}: expected an image or a video, found no video stream in it")
    known = [stream for stream in videos if stream.codec_context is not None]
    if not known:
        raise FormatError(f"{path}: its video is of a kind that this FFmpeg cannot decode")
    return next((stream for stream in known if stream.disposition & Disposition.default), known[0])


def has_fields(stream: VideoStream) -> bool:
    """Return whether the headers say that the video is interlaced; PyAV before 18 does not show it."""
    return getattr(stream.codec_context, "field_order", 0) in _INTERLACED


def nominal_rates(stream: VideoStream) -> list[Fraction]:
    """Return what the headers give as frames per second, the likeliest first; only what can be true."""
    rates = [stream.average_rate, stream.base_rate, stream.guessed_rate]
    return [rate for rate in rates if rate is not None and is_plausible(rate)]


def is_plausible(rate: Fraction | None) -> bool:
    """Whether a video may have this many frames per second."""
    return rate is not None and _SLOWEST <= rate <= _FASTEST


def mean_rate(frames: int, seconds: Fraction) -> Fraction:
    """Return a rate that encoders can be given for `frames` frames in `seconds`."""
    if seconds <= 0:
        return FALLBACK_RATE
    rate = min(max(frames / seconds, _SLOWEST), _FASTEST)
    return rate.limit_denominator(1001)


def promised_end(container: InputContainer, stream: VideoStream) -> tuple[Fraction, bool]:
    """Return the seconds that the header promises, 0 if it does not, and whether it speaks of this stream alone."""
    match = _DURATION.fullmatch(stream.metadata.get("DURATION", "").split("\0")[0].strip())
    if match is None:
        return max(Fraction(container.duration or 0, 1_000_000), Fraction(0)), False
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds), True


def read_packets(container: InputContainer, stream: VideoStream | None = None) -> Iterator[Packet]:
    """Yield the packets of one stream, or of all, and at the end an empty one for each.

    Raises:
        FFmpegError: the file cannot be read further.
    """
    # PyAV stumbles at the very end of a transport stream in which a further stream has turned up.
    with suppress(IndexError):
        yield from container.demux() if stream is None else container.demux(stream)
