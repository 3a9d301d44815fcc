"""`flowcli diff`: how flow files of any method differ from others, or from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from flowcli.cli import options


def diff(
    flow: Annotated[Path, typer.Argument(metavar="A", help="A flow file to judge, or a folder of them.")],
    reference: Annotated[
        Path,
        typer.Argument(metavar="B", help="The reference: a flow file or a folder with the same names, in any format."),
    ],
    viz: Annotated[
        str | None,
        typer.Option(
            "-v",
            "--viz",
            metavar="P",
            rich_help_panel=options.FILES,
            help=f"Error pictures: {options.PICTURES_OF_A_PAIR}, or a folder/ or video for several. Black below 0.1 "
            "px, red 1 px, yellow 10 px, white 100 px, grey where either is unknown.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    csv: Annotated[
        bool, typer.Option("--csv", rich_help_panel=options.FILES, help="Print the table as CSV instead.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Compare flow files with others, or with the truth.

    EPE: endpoint error in px; shares beyond 1, 3 and 5 px; Fl: beyond 3 px and 5 % of the length in B (KITTI); WAUC
    (VIPER, Spring); AE: angular error in degrees; the largest error and where it is. Pixels count where both know the
    flow. Folders are compared with all below them, by name; a flow that A lacks is an error.
    """
    from contextlib import ExitStack

    from flowcli.cli.console import message, print_json, print_result, progress
    from flowcli.errors import InputError, UsageError
    from flowcli.evaluation.comparison import color_errors
    from flowcli.evaluation.difference import compare_flows, match_flows
    from flowcli.evaluation.difference_report import DifferenceReport
    from flowcli.io.flow import read_flow
    from flowcli.io.sources import DEFAULT_FPS
    from flowcli.output.destination import picture_destination
    from flowcli.output.inputs import InputFiles
    from flowcli.output.sinks import open_picture_sink

    if json and csv:
        raise UsageError("expected at most one of --json and --csv, got both")
    matched = match_flows(flow, reference)
    pictures = None if viz is None else picture_destination(viz)
    names = _name_pictures(matched.names)
    if pictures is not None:
        if len(names) > 1 and not (pictures.is_folder or pictures.is_video):
            raise UsageError(f"{viz}: expected a folder/ or a video for {len(names)} error pictures, got one picture")
        InputFiles([*matched.flows, *matched.references]).check(pictures, (pictures.file(name) for name in names))
        pictures.check(names, overwrite=overwrite)
    if matched.surplus:
        first, *others = matched.surplus
        more = f" and {len(others)} more" if others else ""
        message(f"left out, without a reference: {first}{more}")

    report = DifferenceReport()
    rows = list(zip(matched.names, names, matched.flows, matched.references, strict=True))
    with ExitStack() as stack:
        sink = None
        if pictures is not None:
            comment = "flowcli diff: endpoint error, red 1 px, yellow 10 px, white 100 px"
            sink = open_picture_sink(
                pictures, fps=DEFAULT_FPS, aspect=Fraction(1), comment=comment, overwrite=overwrite
            )
            stack.enter_context(sink)
        for number, (name, stem, path, other) in enumerate(progress(rows, description="diff", unit="flow")):
            try:
                found = compare_flows(read_flow(path), read_flow(other))
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            report.add(name, path, other, found)
            if sink is not None:
                sink.write(stem, color_errors(found.error), number / DEFAULT_FPS, 1 / DEFAULT_FPS)
    if json:
        files = [] if pictures is None else [str(path) for path in dict.fromkeys(pictures.file(name) for name in names)]
        print_json({"files": files, **report.as_plain()})
    else:
        print_result(report.as_csv() if csv else report.as_table())


def _name_pictures(names: Sequence[str]) -> list[str]:
    flat = [name.replace("/", "_") for name in names]
    if len(set(flat)) == len(flat):
        return flat
    return [f"{index:06d}_{name}" for index, name in enumerate(flat)]
