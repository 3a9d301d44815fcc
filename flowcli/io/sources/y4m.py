"""Frames in YUV4MPEG2 from a pipe: `ffmpeg -i clip.mp4 -f yuv4mpegpipe - | flowcli estimate - -o flows/`.

Its header says size, rate and colours (wiki.multimedia.cx/index.php/YUV4MPEG2), so that nothing else has to be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import BinaryIO

import av
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame

from flowcli.errors import FormatError
from flowcli.flow import Frame
from flowcli.io.limits import check_size
from flowcli.io.sources.base import Footage
from flowcli.io.video.container import nominal_rates, read_packets
from flowcli.io.video.decode import decode_packets
from flowcli.io.video.deinterlace import deinterlace, is_interlaced
from flowcli.io.video.picture import PictureMaker

MAGIC = b"YUV4MPEG2 "
_LONGEST_HEADER = 4096
_NAME = "stdin"
# Parameters that a frame may have beside the word before it, all frames together.
_LONGEST_FRAME_LINE = 80


class Y4mReader:
    """Frames until the stream ends; can be read once.

    Args:
        stream: binary, at its first byte.

    Raises:
        FormatError: the header makes no sense, or the first frame is not there.
    """

    def __init__(self, stream: BinaryIO) -> None:
        header = _read_header(stream)
        self._stream = rejoined = Rejoined(header, stream)
        self._faults: list[str] = []
        self._left = -len(header)
        try:
            self._container = av.open(rejoined, "r", format="yuv4mpegpipe")  # pyright: ignore[reportArgumentType]
            video = self._container.streams.video[0]
            # Frames of a pipe are small in number and of no compression; a thread would only hold them.
            video.thread_type = "NONE"
            packets = self._count(read_packets(self._container, video))
            frames = decode_packets(packets, video.decode, lambda _, text: self._faults.append(text))
            first = next(frames, None)
        except (FFmpegError, IndexError, ValueError) as error:
            raise FormatError(f"{_NAME}: expected frames in YUV4MPEG2, FFmpeg says: {error}") from None
        if first is None:
            raise FormatError(f"{_NAME}: expected frames in YUV4MPEG2, found none{self._because()}")
        self._maker = PictureMaker(first, _NAME)
        together: Iterator[VideoFrame] = chain([first], frames)
        notes: tuple[str, ...] = ()
        if is_interlaced(video, first):
            together, notes = deinterlace(together), ("is interlaced; its frames are deinterlaced (FFmpeg's bwdif)",)
        self._frames = together
        rate = next(iter(nominal_rates(video)), Fraction(25))
        aspect = video.sample_aspect_ratio or Fraction(1)
        size = first.height, first.width
        self.footage = Footage(_NAME, size, rate, None, aspect, rereadable=False, notes=notes)

    def name(self, index: int) -> str:
        """Return `frame_` and the frame's number."""
        return f"frame_{index:06d}"

    def read(self, first: int, stop: int | None, step: int) -> Iterator[Frame]:
        """Yield frames first, first + step, ...; see FrameReader. Raises FormatError if the last frame is cut short."""
        for number, frame in enumerate(self._frames):
            if stop is not None and number >= stop:
                return
            if number >= first and (number - first) % step == 0:
                yield self._maker.make(frame)
        # FFmpeg passes over half a frame at the end without a word.
        if self._faults or self._left + self._stream.given > _LONGEST_FRAME_LINE:
            raise FormatError(f"{_NAME}: expected whole frames in YUV4MPEG2, the stream broke off{self._because()}")

    def _count(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        # What was read of the stream and is no frame: the lines before each are a few bytes long.
        for packet in packets:
            if packet.size:
                self._left -= packet.size + len("FRAME\n")
            yield packet

    def _because(self) -> str:
        return f" ({self._faults[0]})" if self._faults else ""


class Rejoined:
    """A stream of which some bytes were read already; they come first.

    Attributes:
        given: number of bytes that were read from it.
    """

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; a pipe gives what it holds at the moment."""
        if self._head:
            taken = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(taken) :]
        else:
            taken = self._rest.read(size) or b""
        self.given += len(taken)
        return taken


def peek(stream: BinaryIO, number: int) -> bytes:
    """Return the first bytes of a stream, fewer only if it has no more."""
    head = b""
    while len(head) < number and (part := stream.read(number - len(head))):
        head += part
    return head


def _read_header(stream: BinaryIO) -> bytes:
    # Up to the end of its line, and the size in it held against the limits: FFmpeg believes it.
    header = b""
    while not header.endswith(b"\n"):
        byte = stream.read(1)
        if not byte or len(header) > _LONGEST_HEADER:
            raise FormatError(f"{_NAME}: expected a header of YUV4MPEG2, found {header[:40]!r}")
        header += byte
    sides = [re.search(rb" %c(\d{1,7})(?=[ \n])" % letter, header) for letter in b"WH"]
    if sides[0] is None or sides[1] is None:
        raise FormatError(f"{_NAME}: expected width and height in the header of YUV4MPEG2, found {header[:80]!r}")
    check_size(_NAME, int(sides[1][1]), int(sides[0][1]))
    return header
