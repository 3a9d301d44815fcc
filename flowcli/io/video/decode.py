"""Packets to frames, one after the other; where FFmpeg goes on after a bad packet, so do we.

The n-th frame that comes out of a decoder which began at the start of a file is frame n of that file, whatever the
container says of it. Everything else in this package has to agree with that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame

# Told of what is wrong on the way: the packet, or None at the end of the file, and what FFmpeg says.
Complain = Callable[[Packet | None, str], None]
Decode = Callable[[Packet | None], list[VideoFrame]]

# A frame of which only a part was there, and no later one shows that the file goes on.
INCOMPLETE = "its last frame is incomplete"


def decode_packets(packets: Iterable[Packet], decode: Decode, complain: Complain) -> Iterator[VideoFrame]:
    """Yield every frame of `packets` in the order of showing, whole or patched up by FFmpeg (`is_corrupt`).

    Half a frame at the very end is left out.

    Args:
        packets: of one stream, with the empty one at the end for which a decoder gives what it still holds.
        decode: of the stream.
        complain: called for what cannot be demuxed or decoded, and for the half frame.
    """
    held: VideoFrame | None = None
    for packet in _readable(_without_incomplete_end(packets, complain), complain):
        try:
            frames = decode(packet)
        except FFmpegError as error:
            complain(packet, f"FFmpeg says: {error.strerror}")
            continue
        for frame in frames:
            # A damaged frame in the middle is patched up by FFmpeg; at the end it is half of a frame.
            if held is not None:
                yield held
                held = None
            if frame.is_corrupt:
                held = frame
            else:
                yield frame
    if held is not None:
        complain(None, INCOMPLETE)


def _readable(packets: Iterator[Packet], complain: Complain) -> Iterator[Packet | None]:
    # After a packet that cannot be read FFmpeg takes the file as ended; the decoder still holds frames.
    try:
        yield from packets
    except FFmpegError as error:
        complain(None, f"FFmpeg says: {error.strerror}")
        yield None


def _without_incomplete_end(packets: Iterable[Packet], complain: Complain) -> Iterator[Packet]:
    held: Packet | None = None
    for packet in packets:
        if held is not None and packet.size > 0:
            yield held
        elif held is not None:
            complain(None, INCOMPLETE)
        held = packet if packet.is_corrupt else None
        if held is None:
            yield packet
