"""What FFmpeg says of damage: it goes on over it, and tells of it nowhere but in its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av.logging

# Level, name of the part of FFmpeg, text.
Message = tuple[int, str, str]
# How demuxers put it that a file is shorter than it says.
_CUT = ("ended prematurely", "partial file", "Packet is truncated")


@contextmanager
def listen() -> Iterator[list[Message]]:
    """Collect the errors that FFmpeg logs in this thread while the block lasts."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def find_cut(messages: list[Message]) -> str | None:
    """Return the message that says that the file is cut short, if there is one."""
    texts = (text.strip() for _, _, text in messages)
    return next((text for text in texts if any(words in text for words in _CUT)), None)
