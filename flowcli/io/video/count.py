"""Counting the frames of a video by decoding it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from av.packet import Packet
from av.video.frame import PictureType, VideoFrame

from flowcli.io.video.container import open_video, read_packets
from flowcli.io.video.decode import Decode, decode_packets
from flowcli.io.video.log import Message, listen

# What decoders report as errors of files that play well: features they lack, slips of encoders, what is no picture.
_HARMLESS = (
    *("co located POCs", "mmco: ", "not implemented", "number of reference frames", "Invalid frame dimensions"),
    *("SEI", "VUI", "APP fields", "EXIF", "ICC"),
)


@dataclass(frozen=True)
class Count:
    """What decoding gave.

    Attributes:
        length: number of frames.
        timestamps: of every frame, as decoded; empty if one has none.
        damaged: numbers of frames that show damage, ascending.
        lost: for each packet that gave no frame but an error the number of the frame after it, ascending.
        end: why decoding ended early, or None.
        reason: the first thing that FFmpeg said, or "".
        complete: whether the file was decoded to its end.
    """

    length: int
    timestamps: Sequence[int]
    damaged: Sequence[int]
    lost: Sequence[int]
    end: str | None
    reason: str
    complete: bool


class _Counter:
    """Notes what a decoder gives and says."""

    def __init__(self, decode: Decode, messages: list[Message]) -> None:
        self._decode, self._messages = decode, messages
        self.stamps, self.intra = array("q"), bytearray()
        self.unstamped = False
        # Whether the first packet is none that decoding can begin with.
        self.begins_late: bool | None = None
        # Of what FFmpeg reports as damaged, numbers or timestamps; and of packets without a frame.
        self.marked: set[int] = set()
        self.marked_stamps: set[int] = set()
        self.failed: list[tuple[int | None, int]] = []
        self.reason, self.end = "", None

    def decode(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode, and take down what FFmpeg says of this packet."""
        self._messages.clear()
        if self.begins_late is None:
            self.begins_late = packet is not None and not packet.is_keyframe
        try:
            return self._decode(packet)
        finally:
            texts = [text.strip() for _, _, text in self._messages]
            texts = [text for text in texts if not any(words in text for words in _HARMLESS)]
            if texts:
                self._mark(packet, texts[0])

    def complain(self, packet: Packet | None, text: str) -> None:
        """Take down a packet that could not be read or decoded."""
        if packet is None or packet.size == 0:
            self.end = self.end or text
        else:
            self.failed.append((packet.pts, len(self.intra)))
            self.reason = self.reason or text.removeprefix("FFmpeg says: ")

    def see(self, frame: VideoFrame) -> None:
        """Take down a frame."""
        if frame.is_corrupt:
            self.marked.add(len(self.intra))
        self.unstamped = self.unstamped or frame.pts is None
        self.stamps.append(frame.pts or 0)
        self.intra.append(frame.key_frame and frame.pict_type == PictureType.I)

    def _mark(self, packet: Packet | None, text: str) -> None:
        self.reason = self.reason or text
        if packet is not None and packet.pts is not None:
            self.marked_stamps.add(packet.pts)
        elif self.intra:
            # Before the first frame decoders complain of what they lack, and give nothing.
            self.marked.add(len(self.intra))

    def find_damaged(self) -> list[int]:
        """Return the numbers of damaged frames and of those predicted from them, up to the next key frame."""
        length = len(self.intra)
        marked = {number for number in self.marked if number < length}
        marked |= {number for number, stamp in enumerate(self.stamps) if stamp in self.marked_stamps}
        marked |= {number for number in self.find_lost() if 0 < number < length and not self.intra[number]}
        if self.begins_late and any(self.intra) and not self.intra[0]:
            # What came before is made up.
            marked.add(0)
        damaged, spoilt = list[int](), False
        for number in range(length):
            spoilt = number in marked or (spoilt and not self.intra[number])
            if spoilt:
                damaged.append(number)
        return damaged

    def find_lost(self) -> list[int]:
        """Return, for each packet without a frame, the number of the frame that follows it."""
        ordered = not self.unstamped
        return sorted(
            bisect_left(self.stamps, stamp) if ordered and stamp is not None else number
            for stamp, number in self.failed
        )


def count_frames(path: Path, is_enough: Callable[[int, int | None], bool] = lambda _, __: False) -> Count:
    """Decode a video to its end, or until there is enough of it.

    Args:
        path: the file.
        is_enough: of the number of frames so far, and the timestamp of the last.
    """
    complete = True
    with open_video(path) as (container, stream), listen() as messages:
        counter = _Counter(stream.decode, messages)
        for frame in decode_packets(read_packets(container, stream), counter.decode, counter.complain):
            counter.see(frame)
            if is_enough(len(counter.intra), frame.pts):
                complete = False
                break
    stamps = array("q") if counter.unstamped else counter.stamps
    damaged, lost = counter.find_damaged(), counter.find_lost()
    return Count(len(counter.intra), stamps, damaged, lost, counter.end, counter.reason, complete)
