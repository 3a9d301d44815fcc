"""The mark in the PNG files that this program makes: a tEXt chunk (PNG specification, third edition, 11.3.4.3)."""

from __future__ import annotations

import struct
import zlib

from flowcli import __version__
from flowcli.io.png import SIGNATURE

# Its first word tells a result; the version is for whoever looks into the file.
MARK = b"flowcli "
_KEYWORD = b"Software\0"
_IHDR_END = len(SIGNATURE) + 12 + 13


def mark_png(data: bytes) -> bytes:
    """Return a PNG file with `Software: flowcli <version>` right after its header; pixels stay as they are.

    Args:
        data: a whole PNG file.
    """
    content = b"tEXt" + _KEYWORD + MARK + __version__.encode("latin-1")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:_IHDR_END] + chunk + data[_IHDR_END:]


def is_marked_png(start: bytes) -> bool:
    """Return whether the first bytes of a file, 4 KiB are plenty, are those of a PNG that `mark_png` made."""
    chunk = start[_IHDR_END:]
    return start.startswith(SIGNATURE) and chunk[4:].startswith(b"tEXt" + _KEYWORD + MARK)
