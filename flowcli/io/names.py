"""File names that fit: a file system gives a name 255 bytes."""

from __future__ import annotations

import hashlib
import os
import re

LONGEST_NAME = 255
_NUMBER = re.compile(r"_?\d{1,12}\Z", re.ASCII)


def shorten_name(name: str, room: int) -> str:
    """Return a file name, without any folder, cut to `room` bytes if it is longer.

    A digest of what is cut keeps names apart; a number at the end stays, so that the names of a sequence stay in order.
    """
    if len(os.fsencode(name)) <= room:
        return name
    match = _NUMBER.search(name)
    number = "" if match is None else match[0]
    stem = name.removesuffix(number)
    end = f"~{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}{number}"
    # Cut between characters, of which UTF-8 has some that are several bytes long.
    return os.fsencode(stem)[: room - len(end)].decode("utf-8", "ignore") + end
