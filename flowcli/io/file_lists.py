"""Sequences that are named by a pattern or by a text file: `frame_%03d.png`, and a list with a name per line."""

from __future__ import annotations

import re
from pathlib import Path

from flowcli.errors import FormatError, InputError

LIST_SUFFIX = ".txt"
# What printf, FFmpeg and compositing programs call a number in a name.
_NUMBER = re.compile(r"%(0?)(\d{0,2})d|(?<!#)(#{1,9})(?!#)")
_CONCAT = re.compile(r"file\s+'(.*)'|file\s+(\S.*)")
_MOST_BYTES = 2**24


def is_pattern(text: str) -> bool:
    """Return whether a name holds the place of a number, `%d`, `%03d` or `###`, and is no file itself."""
    return _NUMBER.search(Path(text).name) is not None and not Path(text).exists()


def expand_pattern(text: str) -> list[Path]:
    """Return the files that `frame_%03d.png` or `frame_###.png` names, in the order of their numbers.

    `%03d` and `###` are at least three digits, `%d` is a number without zeros in front.

    Raises:
        InputError: there is none, or more than one number is asked for.
    """
    path = Path(text)
    places = list(_NUMBER.finditer(path.name))
    if len(places) != 1:
        raise InputError(f"{text}: expected one number in the name, such as frame_%03d.png, found {len(places)}")
    before, after = path.name[: places[0].start()], path.name[places[0].end() :]
    zeros, width, marks = places[0].groups()
    digits = len(marks) if marks else int(width or 1)
    padded = bool(marks) or zeros == "0"
    number = re.compile(re.escape(before) + r"(\d{1,18})" + re.escape(after))
    found: list[tuple[int, Path]] = []
    try:
        entries = list(path.parent.iterdir())
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be read: {error.strerror or error}") from None
    for entry in entries:
        match = number.fullmatch(entry.name)
        if match is not None:
            text_of_number = match[1]
            written = str(int(text_of_number))
            if text_of_number == (written.zfill(digits) if padded else written):
                found.append((int(text_of_number), entry))
    if not found:
        raise InputError(f"{text}: no file has a name like this")
    return [entry for _, entry in sorted(found)]


def read_list(path: Path) -> list[str]:
    """Return the names in a text file, one a line, as they are meant from where the file lies.

    Empty lines and those that begin with # are left out; a line of FFmpeg's concat lists, `file 'name'`, is its name.

    Raises:
        InputError: it cannot be read, or names nothing.
        FormatError: it is no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > _MOST_BYTES or b"\0" in data:
        raise FormatError(f"{path}: expected a list of files, one a line, in at most {_MOST_BYTES >> 20} MiB of text")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected a list of files in UTF-8, found {error.reason}") from None
    names: list[str] = []
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        match = _CONCAT.fullmatch(line)
        name = line if match is None else match[1] or match[2] or ""
        if not name:
            raise FormatError(f"{path}: expected a name after the word file, found none: {line[:40]}")
        names.append(name if "://" in name else str(path.parent / name))
    if not names:
        raise InputError(f"{path}: expected a list of files, one a line, found none")
    return names
