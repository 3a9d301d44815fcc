"""Telling the videos that this program made from others: by the comment that `VideoSink` puts into the container.

Opening each video of a large folder with FFmpeg to read one line would take longer than finding them, so the comment is
looked for where the muxers of VIDEO_FORMATS put it: in the first bytes, or for MP4 in the box moov/udta
(ISO/IEC 14496-12, sections 4.2 and 8.10).
"""

from __future__ import annotations

import re
from typing import BinaryIO

_START = 4096
_MADE = rb"flowcli \d+\."
_GIF = re.compile(rb"!\xfe." + _MADE, re.DOTALL)
# Name and value of a SimpleTag, each with an EBML length of one to eight bytes (RFC 9559, section 5.1.8).
_WEBM = re.compile(rb"COMMENT\x44\x87.{1,8}?" + _MADE, re.DOTALL)
# The comment's box and the box "data" in it, with a length, a type and a language.
_MP4 = re.compile(rb"\xa9cmt.{4}data.{8}" + _MADE, re.DOTALL)
# As many boxes as are looked at on one level; ours has four, and two per stream.
_BOXES = 32


def is_marked_video(stream: BinaryIO) -> bool:
    """Return whether a file is a video that `VideoSink` made with a comment that begins with `flowcli <version>`."""
    start = stream.read(_START)
    if start[4:8] == b"ftyp":
        return _MP4.search(_read_user_data(stream)) is not None
    pattern = _GIF if start.startswith(b"GIF8") else _WEBM if start.startswith(b"\x1a\x45\xdf\xa3") else None
    return pattern is not None and pattern.search(start) is not None


def _read_user_data(stream: BinaryIO) -> bytes:
    position, wanted = 0, [b"moov", b"udta"]
    for _ in range(_BOXES * len(wanted)):
        stream.seek(position)
        header = stream.read(16)
        if len(header) < 8:
            break
        length = int.from_bytes(header[:4], "big")
        if header[4:8] == wanted[0]:
            wanted.pop(0)
            if not wanted:
                return stream.read(_START)
            position += 8
            continue
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if not 8 <= length < 2**62:
            break
        position += length
    return b""
