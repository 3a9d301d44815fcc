"""TABLE_FORMATS: rows of named columns to a file that other programs read."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TextIO

from flowcli.errors import InputError, UsageError
from flowcli.io.atomic import replace_when_complete
from flowcli.motion.columns import FLAG, INTEGER, NUMBER, TEXT, Column

Row = Mapping[str, object]
# Rows of one group of a Parquet file.
_GROUP = 10_000


def write_csv(stream: TextIO, columns: Mapping[str, Column], rows: Iterable[Row]) -> None:
    """Write a header and a line per row; nothing where a row has no value, flags as true and false."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # A name may hold bytes that are no text.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _write_csv_file(path: Path, columns: Mapping[str, Column], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_csv(stream, columns, rows)


def _write_jsonl(path: Path, columns: Mapping[str, Column], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="ascii") as stream:
        for row in rows:
            stream.write(json.dumps({name: row.get(name) for name in columns}, allow_nan=False) + "\n")


def _write_parquet(path: Path, columns: Mapping[str, Column], rows: Iterable[Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    kinds = {TEXT: pyarrow.string(), INTEGER: pyarrow.int64(), NUMBER: pyarrow.float64(), FLAG: pyarrow.bool_()}
    schema = pyarrow.schema(
        [
            pyarrow.field(name, kinds[column.kind], metadata={"unit": column.unit, "formula": column.formula})
            for name, column in columns.items()
        ]
    )
    rows = iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _GROUP)):
            plain = [
                {name: _cell(v) if isinstance(v := row.get(name), str) else v for name in columns} for row in group
            ]
            writer.write_table(pyarrow.Table.from_pylist(plain, schema))


TABLE_FORMATS: dict[str, Callable[[Path, Mapping[str, Column], Iterable[Row]], None]] = {
    ".csv": _write_csv_file,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}


def check_table(path: Path) -> None:
    """Check that a table can be written by the suffix of its name.

    Raises:
        UsageError: an unknown suffix.
        InputError: the Python module for it is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_FORMATS:
        raise UsageError(f"{path}: expected a table ending in {' '.join(TABLE_FORMATS)}, found '{suffix}'")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"{suffix} needs the Python module pyarrow, which is not installed; run: pip install 'flowcli[parquet]'"
        )


def write_table(path: Path, columns: Mapping[str, Column], rows: Iterable[Row]) -> None:
    """Write rows to a file in the format of its suffix, atomically; raises OutputError."""
    with replace_when_complete(path) as temporary:
        TABLE_FORMATS[path.suffix.lower()](temporary, columns, rows)


def format_csv(columns: Mapping[str, Column], rows: Iterable[Row]) -> str:
    """Return rows as CSV with a header, without the end of the last line."""
    text = io.StringIO()
    write_csv(text, columns, rows)
    return text.getvalue().rstrip("\n")
