"""What the bytes of a packet say of the frame in it, for the codecs whose containers are often wrong about it.

A container marks packets from which decoding can begin, and one packet is one frame: both are promises of the program
that wrote it. The few bits that are read here are those of ITU-T H.264 (7.3.1, 7.3.3, D.1.8), H.265 (7.3.1, 7.4.2),
ISO/IEC 14496-2 (6.2.3, 6.2.5), 11172-2 and 13818-2 (6.2.2, 6.2.3), RFC 6386 (9.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Start codes of MPEG-4 part 2: video object layer, and video object plane, which is a frame.
_VOL = re.compile(rb"\x00\x00\x01[\x20-\x2f].*?(?=\x00\x00\x01|\Z)", re.DOTALL)
_VOP = b"\0\0\1\xb6"
# FFmpeg takes a plane that is not longer for the mark of one that came with the frame before.
_LONGEST_EMPTY_VOP = 19
_SEQUENCE = re.compile(rb"\x00\x00\x01\xb3.*?(?=\x00\x00\x01|\Z)", re.DOTALL)
_PICTURE = b"\0\0\1\0"
_INTRA_PICTURE = 1


@dataclass(frozen=True)
class Glimpse:
    """What a packet holds.

    Attributes:
        frames: how many frames it shows; None if that cannot be told, which is a sign of damage.
        key: whether decoding may begin there: no frame from it on needs an earlier one.
        headers: the headers in it that later packets depend on.
    """

    frames: int | None
    key: bool
    headers: tuple[bytes, ...] = ()


Look = Callable[[bytes], Glimpse]


def find_look(codec: str, extradata: bytes | None) -> Look | None:
    """Return how to look into packets of a codec; None if nothing is known of it beyond what the container says.

    Args:
        codec: FFmpeg's name of it.
        extradata: the headers that the container holds apart.
    """
    if codec == "h264":
        return lambda data: _look_at_h264(_split_units(data, extradata, 4))
    if codec == "hevc":
        return lambda data: _look_at_hevc(_split_units(data, extradata, 21))
    return _LOOKS.get(codec)


def _split_units(data: bytes, extradata: bytes | None, length_byte: int) -> Iterator[bytes]:
    # NAL units with their length in front, where the container's headers begin with version 1; else after start codes.
    if extradata and extradata[0] == 1 and len(extradata) > length_byte:
        return _split_by_length(data, (extradata[length_byte] & 3) + 1)
    return (unit for unit in data.split(b"\0\0\1")[1:] if unit.rstrip(b"\0"))


def _split_by_length(data: bytes, width: int) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        end = place + width + int.from_bytes(data[place : place + width], "big")
        if end > len(data) or end == place + width:
            # A length that cannot be: an empty unit, which no codec knows.
            yield b""
            return
        yield data[place + width : end]
        place = end


def _look_at_h264(units: Iterator[bytes]) -> Glimpse:
    begins, key, recovery, intra = 0, False, False, True
    headers: list[bytes] = []
    for unit in units:
        kind = unit[0] & 31 if unit else 0
        if kind == 0 or unit[0] & 128:
            return Glimpse(None, False)
        if kind in (7, 8):
            headers.append(unit.rstrip(b"\0"))
        elif kind == 6:
            recovery = recovery or _recovers_at_once(unit)
        elif kind in (1, 2, 5):
            bits = _Bits(unit[1:9])
            begins += bits.exp_golomb() == 0
            # Slice types 2 and 7: I.
            intra = intra and bits.exp_golomb() % 5 == 2
            key = key or kind == 5
    # Two that begin are the fields of one frame; how many frames three are is anybody's guess.
    return Glimpse(1 if begins in (1, 2) else None, key or (recovery and intra), tuple(headers))


def _recovers_at_once(unit: bytes) -> bool:
    # A recovery point of 0 frames: exact from here on in the order of showing (an open group of pictures). More frames
    # are an intra refresh, of which a decoder that begins here would show less than one that was there before.
    place = 1
    while place + 2 < len(unit) and unit[place] != 128:
        kind = size = 0
        while place < len(unit) and unit[place] == 255:
            kind, place = kind + 255, place + 1
        kind, place = kind + (unit[place] if place < len(unit) else 0), place + 1
        while place < len(unit) and unit[place] == 255:
            size, place = size + 255, place + 1
        size, place = size + (unit[place] if place < len(unit) else 0), place + 1
        if kind == 6:
            return _Bits(unit[place : place + 8]).exp_golomb() == 0
        place += size
    return False


def _look_at_hevc(units: Iterator[bytes]) -> Glimpse:
    begins, key = 0, False
    headers: list[bytes] = []
    for unit in units:
        kind = unit[0] >> 1 if unit else 255
        if len(unit) < 3 or unit[0] & 128:
            return Glimpse(None, False)
        if kind in (32, 33, 34):
            headers.append(unit.rstrip(b"\0"))
        elif kind < 32 and (unit[0] & 1, unit[1] >> 3) == (0, 0):
            # Of the base layer only: others are further views or the alpha of the same frame.
            begins += unit[2] >> 7
            key = key or 16 <= kind <= 21
    return Glimpse(1 if begins == 1 else None, key, tuple(headers))


def _look_at_mpeg4(data: bytes) -> Glimpse:
    headers = tuple(_VOL.findall(data))
    place = data.find(_VOP)
    if place < 0 or data.find(_VOP, place + 4) >= 0 or len(data) - place <= _LONGEST_EMPTY_VOP:
        return Glimpse(None, False, headers)
    return Glimpse(1, data[place + 4] >> 6 == 0, headers)


def _look_at_mpeg2(data: bytes) -> Glimpse:
    headers = tuple(_SEQUENCE.findall(data))
    place = data.find(_PICTURE)
    if place < 0 or place + 5 >= len(data):
        return Glimpse(None, False, headers)
    return Glimpse(1, data[place + 5] >> 3 & 7 == _INTRA_PICTURE, headers)


def _look_at_vp8(data: bytes) -> Glimpse:
    # An alternate reference frame is decoded and never shown.
    return Glimpse(data[0] >> 4 & 1, data[0] & 1 == 0) if data else Glimpse(None, False)


_LOOKS: dict[str, Look] = {
    "mpeg4": _look_at_mpeg4,
    "mpeg1video": _look_at_mpeg2,
    "mpeg2video": _look_at_mpeg2,
    "vp8": _look_at_vp8,
}


class _Bits:
    """Bits of a few bytes, from the highest of the first on; zeros after the last."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data)

    def exp_golomb(self) -> int:
        """Read ue(v) of H.264, 9.1."""
        zeros = len(self._text) - len(self._text.lstrip("0"))
        code, self._text = self._text[zeros : 2 * zeros + 1], self._text[2 * zeros + 1 :]
        return int(code or "1", 2) - 1


class HeaderWatch:
    """Tells whether a decoder that begins at a packet has the headers which one that came from the start has."""

    def __init__(self, extradata: bytes | None) -> None:
        """Begin with what the container holds apart, which every decoder gets."""
        self._known = extradata or b""
        self._kinds: set[int] = set()

    def suffices(self, headers: tuple[bytes, ...]) -> bool:
        """Note the headers of the next packet, and return whether one can begin there with them."""
        kinds = {header[0] if header[:3] != b"\0\0\1" else header[3] for header in headers}
        if any(header not in self._known for header in headers):
            # From here on the container's are not those that count; a packet has to bring all kinds along.
            self._kinds |= kinds
        return self._kinds <= kinds
