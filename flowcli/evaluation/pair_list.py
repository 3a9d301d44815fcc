"""A list of labelled pairs as CSV: columns dataset,name,frame1,frame2,flow, paths relative to the file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flowcli.errors import FormatError, InputError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.io.flow import read_flow
from flowcli.io.pair_rows import read_lines

COLUMNS = ("dataset", "name", "frame1", "frame2", "flow")
MAX_PAIRS = 100_000
"""Four times the largest public data set; a pair takes a kilobyte of memory and a few bytes of a file."""
_MAX_BYTES = 2**24


def read_pair_list(path: Path) -> list[LabelledPair]:
    """Read the list and check that every file it names is there; further columns are ignored.

    Raises:
        InputError: if the list or a file it names does not exist or cannot be read.
        FormatError: if it is no UTF-8 CSV with the five columns, is empty or very long, or names a pair of a data set
            twice.
    """
    expected = f"expected a CSV file with columns {','.join(COLUMNS)}"
    if not path.is_file():
        raise InputError(f"{path}: {expected}, found {'a folder' if path.is_dir() else 'no file'}")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FormatError(f"{path}: {expected} and at most {_MAX_BYTES >> 20} MiB, found more; split it")
        with path.open("rb", buffering=0) as stream:
            return _read_rows(read_lines(stream, str(path)), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: expected UTF-8 CSV, got {error}") from error


def _read_rows(lines: Iterator[str], path: Path) -> list[LabelledPair]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    if missing := [column for column in COLUMNS if column not in header]:
        found = f"{','.join(header[:20])!r:.100}" if header else "an empty file"
        raise FormatError(f"{path}: expected columns {','.join(COLUMNS)}, got {found}; add {','.join(missing)}")
    places = [header.index(column) for column in COLUMNS]
    pairs: dict[tuple[str, str], LabelledPair] = {}
    for row in filter(None, reader):
        line = reader.line_num
        cells = [row[place].strip() if place < len(row) else "" for place in places]
        if empty := [column for column, cell in zip(COLUMNS, cells, strict=True) if not cell]:
            raise FormatError(
                f"{path}: expected a value in every column, got none for {','.join(empty)} in line {line}"
            )
        dataset, name, *files = cells
        if (dataset, name) in pairs:
            raise FormatError(f"{path}: expected each pair once, got {f'{dataset},{name}'!r:.100} again in line {line}")
        if len(pairs) == MAX_PAIRS:
            raise FormatError(f"{path}: expected at most {MAX_PAIRS} pairs, got more; split the list")
        frame1, frame2, truth = (path.parent / file for file in files)
        for file in (frame1, frame2, truth):
            if not _is_file(file):
                raise InputError(
                    f"{path}: line {line} names {str(file)!r:.300}, found no file; paths are relative to the list"
                )
        results = (f"{dataset}/{name}", name)
        pairs[dataset, name] = LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), results=results)
    if not pairs:
        raise FormatError(f"{path}: expected at least one pair below the header, got none")
    return list(pairs.values())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the system takes
        return False
