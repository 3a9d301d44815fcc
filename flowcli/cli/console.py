"""What the commands say: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from flowcli.cli.streams import write_stdout

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")
# File names may hold ends of lines, and what terminals take for commands.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


class _Held:
    """Results that wait for their files, and what files are called to the user."""

    lines: list[str] | None = None
    rename: Callable[[str], str] | None = None


@contextmanager
def hold_results(rename: Callable[[str], str]) -> Iterator[None]:
    """Print the results of the block when it ends well, with what `rename` makes of the names in them."""
    _Held.lines, _Held.rename = [], rename
    try:
        yield
        lines = _Held.lines
    finally:
        _Held.lines = _Held.rename = None
    for line in lines:
        write_stdout(line)


@contextmanager
def rename_results(rename: Callable[[str], str]) -> Iterator[None]:
    """Print results and messages of the block with what `rename` makes of the names in them."""
    _Held.rename = rename
    try:
        yield
    finally:
        _Held.rename = None


class Console:
    """How much is said, and what has been.

    Attributes:
        quiet: whether messages and progress are left out; what went wrong is told all the same.
        has_json: whether a result went to stdout as JSON: a second one would make it no JSON.
        json_lines: whether each value is a line, of which there may be many.
    """

    quiet = False
    has_json = False
    json_lines = False


def print_result(text: str) -> None:
    """Write one result line to stdout, at once: whoever reads it may wait for it."""
    _write(f"{text}\n")


def print_json(value: object) -> None:
    """Write `value` to stdout as indented JSON, or a line of it; NaN and infinity, which JSON lacks, are refused."""
    Console.has_json = True
    _write(json.dumps(value, indent=None if Console.json_lines else 2, allow_nan=False) + "\n")


def _write(text: str) -> None:
    text = text if _Held.rename is None else _Held.rename(text)
    if _Held.lines is None:
        write_stdout(text)
    else:
        _Held.lines.append(text)


def message(text: str) -> None:
    """Write one line to stderr, unless it should be quiet; see `complain`."""
    if not Console.quiet:
        complain(text)


def complain(text: str) -> None:
    """Write one line to stderr, whatever names are in it; if nobody can hear it, the work goes on."""
    text = text if _Held.rename is None else _Held.rename(text)
    with suppress(OSError):
        sys.stderr.write(f"{text.translate(_VISIBLE)}\n")


def progress(
    items: Iterable[Item], *, total: int | None = None, description: str = "", unit: str = "pair"
) -> Iterable[Item]:
    """Wrap `items` in a bar on stderr; silent when stderr is not a terminal."""
    from tqdm import tqdm

    return tqdm(
        items,
        total=total,
        desc=description,
        unit=unit,
        file=sys.stderr,
        disable=Console.quiet or not sys.stderr.isatty(),
        dynamic_ncols=True,
        leave=False,
    )


def progress_bar(description: str, unit: str = "pair") -> tqdm[NoReturn]:
    """Return a bar to be moved by hand, for work whose total changes; silent when stderr is not a terminal."""
    from tqdm import tqdm

    return tqdm(
        total=0,
        desc=description,
        unit=unit,
        file=sys.stderr,
        disable=Console.quiet or not sys.stderr.isatty(),
        dynamic_ncols=True,
        leave=False,
    )
