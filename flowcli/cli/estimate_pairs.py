"""`flowcli estimate --pairs`: many pairs from a list in one process, each row told of as it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from flowcli.cli import options
from flowcli.cli.console import Console, complain, print_json, print_result, progress
from flowcli.cli.estimator_options import build_estimator
from flowcli.errors import InputError, UsageError

if TYPE_CHECKING:
    from flowcli.io.pair_rows import BadRow, PairRow
    from flowcli.jobs.listed_pairs import RowOutcome
    from flowcli.jobs.settings import BatchSettings
    from flowcli.options import EstimatorOptions
    from flowcli.output.plan import OutputPlan

STDIN = "-"

PairsPath = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="LIST.csv",
        rich_help_panel=options.FILES,
        help="Instead of INPUT: many pairs, columns frame1,frame2 and optionally name; - reads rows from stdin and "
        "answers each as it comes. Outputs are folders; --json is a line for each row.",
    ),
]


def refuse_for_pairs(given: Mapping[str, object]) -> None:
    """Raise UsageError for what has no meaning with a list of pairs: option -> its value, false if it is not given."""
    if flags := [flag for flag, value in given.items() if value]:
        raise UsageError(f"expected no {', '.join(flags)} with --pairs, where every row is two images; leave it out")


def estimate_listed(
    pairs: str,
    plan: OutputPlan,
    settings: BatchSettings,
    estimator_options: EstimatorOptions,
    *,
    overwrite: bool,
    resume: bool,
    json: bool,
) -> None:
    """Estimate the pairs of a list.

    Args:
        pairs: path of the list, or STDIN.
        plan: what `plan_listed` returns.
        settings: size and look.
        estimator_options: of the estimator, which is built once.
        overwrite: replace files that are there.
        resume: leave out what an earlier run has done.
        json: print a line of JSON for each row, and one at the end.

    Raises:
        InputError: a row has no results; the others have.
        FormatError: it is no list of pairs.
    """
    from flowcli.errors import FormatError, OutputError
    from flowcli.io.pair_rows import BadRow, read_pair_rows
    from flowcli.jobs.listed_pairs import ListedPairs
    from flowcli.jobs.resume import find_interrupted
    from flowcli.output.inputs import InputFiles

    # Whoever reads a line at a time reads faults so, too.
    Console.json_lines = json
    live = pairs == STDIN
    read = InputFiles()
    rows: Iterable[PairRow | BadRow]
    total: int | None = None
    if live:
        # Unbuffered: a thread that waits in it must not hold a lock when the program ends.
        stdin: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        rows = read_pair_rows(stdin, "standard input", Path())
    else:
        rows = list(_read_list(Path(pairs)))
        if not rows:
            raise FormatError(f"{pairs}: expected at least one pair below the header, got none")
        total = len(rows)
        read.add(Path(pairs))
        for row in rows:
            if not isinstance(row, BadRow):
                read.add(row.frame1)
                read.add(row.frame2)
        if not (overwrite or resume) and (folder := find_interrupted(plan)) is not None:
            raise OutputError(
                f"{folder}: an estimate was interrupted there, or some of its pairs could not be used; --resume goes "
                "on with it, --overwrite begins anew"
            )
    job = ListedPairs(rows, plan, settings, read, overwrite=overwrite, resume=resume, live=live)
    began = time.monotonic()
    estimator = build_estimator(estimator_options)
    done = faults = 0
    with closing(job.run(estimator)) as outcomes:
        shown = outcomes if live else progress(outcomes, total=total, description="pairs")
        for outcome in shown:
            done, faults = done + (outcome.fault is None), faults + (outcome.fault is not None)
            _tell(outcome, json=json)
    if json:
        seconds = round(time.monotonic() - began, 3)
        print_json({"pairs": done, "faults": faults, "seconds": seconds, "settings": estimator.settings})
    if faults:
        raise InputError(f"{faults} of {done + faults} pairs could not be used; told of above")


def _read_list(path: Path) -> Iterator[PairRow | BadRow]:
    from flowcli.io.pair_rows import read_pair_rows

    if not path.is_file():
        found = "a folder" if path.is_dir() else "no file"
        raise InputError(f"{path}: expected a CSV file with columns frame1,frame2, found {found}")
    try:
        with path.open("rb", buffering=0) as stream:
            yield from read_pair_rows(stream, str(path), path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _tell(outcome: RowOutcome, *, json: bool) -> None:
    if outcome.fault is not None:
        named = outcome.name or f"line {outcome.line}"
        complain(f"{named}: {outcome.fault}")
    if not json:
        for path in outcome.files:
            print_result(str(path))
        return
    size = None if outcome.size is None else {"width": outcome.size[1], "height": outcome.size[0]}
    print_json(
        {
            "line": outcome.line,
            "name": outcome.name or None,
            "files": [str(path) for path in outcome.files],
            "size": size,
            "seconds": None if outcome.seconds is None else round(outcome.seconds, 4),
            "scale": outcome.scale,
            "resumed": outcome.resumed,
            "fault": None if outcome.fault is None else str(outcome.fault),
        }
    )
