"""A list of labelled pairs as CSV: columns dataset,name,frame1,frame2,flow, paths relative to the file."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from flowcli.errors import FormatError, InputError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.io.flow import read_flow

COLUMNS = ("dataset", "name", "frame1", "frame2", "flow")


def read_pair_list(path: Path) -> list[LabelledPair]:
    """Read the list and check that every file it names is there; further columns are ignored.

    Raises:
        InputError: if the list or a file it names does not exist.
        FormatError: if it is no UTF-8 CSV with the five columns, or is empty, or names a pair of a data set twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a CSV file with columns {','.join(COLUMNS)}, found no file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", strict=True)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                found = ",".join(reader.fieldnames or ()) or "an empty file"
                raise FormatError(f"{path}: expected columns {','.join(COLUMNS)}, got {found}; add {','.join(missing)}")
            rows = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: expected UTF-8 CSV, got {error}") from error
    if not rows:
        raise FormatError(f"{path}: expected at least one pair below the header, got none")
    pairs: list[LabelledPair] = []
    taken: set[tuple[str, str]] = set()
    for line, row in rows:
        empty = [column for column in COLUMNS if not row[column].strip()]
        if empty:
            raise FormatError(
                f"{path}: expected a value in every column, got none for {','.join(empty)} in line {line}"
            )
        dataset, name, *files = (row[column].strip() for column in COLUMNS)
        if (dataset, name) in taken:
            raise FormatError(f"{path}: expected each pair once, got {dataset},{name} again in line {line}")
        taken.add((dataset, name))
        frame1, frame2, truth = (path.parent / file for file in files)
        for file in (frame1, frame2, truth):
            if not file.is_file():
                raise InputError(f"{path}: line {line} names {file}, found no file; paths are relative to the list")
        pairs.append(LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth)))
    return pairs
