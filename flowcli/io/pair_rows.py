"""Lists of frame pairs as CSV, read row by row: columns frame1, frame2 and optionally name and dataset.

Rows are handed out as they arrive, so that a program may write one, wait for what comes of it, and write the next.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from flowcli.errors import FormatError, InputError
from flowcli.io.own_results import STATE_FOLDER

FRAME_COLUMNS = ("frame1", "frame2")
_EXPECTED = "a UTF-8 CSV file with columns frame1,frame2 and optionally name"
_MAX_LINE = 2**16
_CHUNK = 2**16


class ByteReader(Protocol):
    """A file or pipe whose `read` returns what is there; unbuffered, where rows are to be had as they arrive."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most `size` bytes, none at the end."""
        ...


@dataclass(frozen=True)
class PairRow:
    """One row.

    Attributes:
        line: its number in the list, from 1 for the header.
        name: a relative path without suffix that results are named after; the stem of frame 1 where none is given.
        frame1: path of the first frame, relative ones from the folder of the list.
        frame2: path of the second.
    """

    line: int
    name: str
    frame1: Path
    frame2: Path


@dataclass(frozen=True)
class BadRow:
    """A row that names no pair, and why; the rows after it are not concerned."""

    line: int
    reason: str


def read_pair_rows(stream: ByteReader, label: str, folder: Path) -> Iterator[PairRow | BadRow]:
    """Yield the rows of a list as they arrive; further columns are ignored.

    Args:
        stream: the list.
        label: what it is called in messages.
        folder: what relative paths start from.

    Raises:
        FormatError: it is no UTF-8 CSV, or lacks a column; the rows before have been yielded.
        InputError: it cannot be read.
    """
    try:
        reader = csv.DictReader(read_lines(stream, label), restval="", strict=True)
        header = reader.fieldnames or ()
        if not set(FRAME_COLUMNS) <= set(header):
            raise FormatError(f"{label}: expected {_EXPECTED}, got {','.join(header)[:100] or 'no header'}")
        for row in reader:
            yield _read_row(row, reader.line_num, folder)
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{label}: expected {_EXPECTED}, got {error}") from error
    except OSError as error:
        raise InputError(f"{label}: cannot be read: {error.strerror or error}") from error


def _read_row(row: dict[str, str], line: int, folder: Path) -> PairRow | BadRow:
    frame1, frame2 = (row[column].strip() for column in FRAME_COLUMNS)
    if not frame1 or not frame2:
        return BadRow(line, f"expected two frames per row, got none in line {line}")
    given = "/".join(row[key].strip() for key in ("dataset", "name") if row.get(key, "").strip())
    name = PurePosixPath(given or Path(frame1).stem)
    if name.is_absolute() or not name.parts or not {"..", STATE_FOLDER}.isdisjoint(name.parts):
        return BadRow(line, f"expected a plain name in line {line}, got {given or frame1}")
    return PairRow(line, str(name), folder / frame1, folder / frame2)


def read_lines(stream: ByteReader, label: str) -> Iterator[str]:
    """Yield the lines of UTF-8 text with their ends as they arrive, without a byte order mark.

    Raises:
        FormatError: a zero byte, or a line that no list has.
        UnicodeDecodeError: it is no UTF-8.
    """
    pending, number = b"", 0
    while chunk := stream.read(_CHUNK):
        lines = (pending + chunk).splitlines(keepends=True)
        # What ends with \r may go on with \n.
        pending = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if len(pending) >= _MAX_LINE:
            lines.append(pending)
        for line in lines:
            number += 1
            yield _decode(line, number, label)
    if pending:
        yield _decode(pending, number + 1, label)


def _decode(line: bytes, number: int, label: str) -> str:
    if b"\0" in line or len(line) >= _MAX_LINE:
        found = "a zero byte" if b"\0" in line else f"more than {_MAX_LINE} letters"
        raise FormatError(f"{label}: expected UTF-8 CSV, got {found} in line {number}")
    return line.decode("utf-8-sig" if number == 1 else "utf-8")
