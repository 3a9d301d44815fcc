"""`flowcli bench --suite`: what its options mean, and what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli.console import message, print_json, print_result
from flowcli.errors import EngineError, UsageError

if TYPE_CHECKING:
    from flowcli.suite.run import SuiteRequest
    from flowcli.suite.scope import Part

SUITE = "Suite"

SuiteScope = Annotated[
    Literal["quick", "full"] | None,
    typer.Option(
        "--suite",
        rich_help_panel=SUITE,
        help="Instead: pairs of 0.25 to 33 Mpixel, errors, videos, a batch and start-up, all presets beside DIS, "
        "Farneback and transformers in turns; quick takes minutes, full hours.",
    ),
]
SuiteParts = Annotated[
    list[str] | None,
    typer.Option(
        "--part", metavar="P", rich_help_panel=SUITE, help="Only pairs, errors, video, batch or start; repeatable."
    ),
]
ChartPath = Annotated[
    Path | None,
    typer.Option(
        "--chart", metavar="FILE.png", rich_help_panel=SUITE, help="Draw error against seconds for every method."
    ),
]
SuitePairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        metavar="FILE.csv",
        rich_help_panel=SUITE,
        help="Errors on these in the place of rendered pairs: columns dataset,name,frame1,frame2,flow.",
    ),
]


def read_parts(texts: list[str] | None) -> list[Part]:
    """Return the parts that are named; raises UsageError for what is none."""
    from flowcli.suite.scope import PARTS

    known: dict[str, Part] = {part: part for part in PARTS}
    if unknown := [text for text in texts or () if text not in known]:
        raise UsageError(f"--part: expected one of {', '.join(PARTS)}, got {unknown[0]!r}")
    return [known[text] for text in texts or ()]


def refuse_without_suite(given: Mapping[str, object]) -> None:
    """Raise UsageError for options that are the suite's: option -> its value, false if it is not given."""
    if flags := [flag for flag, value in given.items() if value]:
        raise UsageError(f"expected --suite quick or --suite full with {', '.join(flags)}, got neither")


def refuse_with_suite(given: Mapping[str, object]) -> None:
    """Raise UsageError for options that the suite does not have."""
    if flags := [flag for flag, value in given.items() if value]:
        raise UsageError(f"expected no {', '.join(flags)} with --suite, which has no such option; leave it out")


def bench_suite(request: SuiteRequest, chart: Path | None, *, overwrite: bool, json: bool) -> None:
    """Run a suite, and print and draw what it says; raises EngineError if somebody could not do a part."""
    from flowcli.io.atomic import check_writable
    from flowcli.io.image import write_result
    from flowcli.suite.chart import check_chart, draw_errors
    from flowcli.suite.report import format_suite
    from flowcli.suite.run import run_suite
    from flowcli.suite.scope import SCOPES

    if chart is not None:
        if chart.suffix.lower() != ".png":
            raise UsageError(f"{chart}: expected a name that ends in .png for the chart")
        if request.parts and "errors" not in request.parts:
            raise UsageError("expected --part errors with --chart, which shows them")
        check_writable(chart, overwrite)
        check_chart()
    if request.pairs is not None and request.parts and "errors" not in request.parts:
        raise UsageError("expected --part errors with --pairs, which errors are measured on")
    message(f"scope {request.scope}: all parts take {SCOPES[request.scope].about} on two cores")
    report = run_suite(request, announce=message)
    if json:
        print_json(report)
    else:
        print_result(format_suite(report))
    if chart is not None:
        write_result(chart, draw_errors(report))
        message(f"wrote {chart}")
    if report["faults"]:
        raise EngineError("not everybody could do every part; see the report")
