"""`flowcli submission`: the test part of a benchmark, in the names and formats that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowcli.cli import options
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.options import EstimatorOptions


@with_estimator_options
def submission(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="sintel, kitti2012, kitti2015 or spring.")],
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="The folder that the data set was unpacked to, with its test part.")
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", rich_help_panel=options.FILES, help="Folder for the results."),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", rich_help_panel=options.FILES, help="Keep the results that are there.")
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    estimator_options: EstimatorOptions = EstimatorOptions(),
) -> None:
    """Estimate the test part of a benchmark, in the names and formats that it takes.

    Sintel: .flo below clean/ and final/. KITTI: 16-bit PNG. Spring: .flo5 of both cameras and directions. What is left
    to do with the folder is said at the end.
    """
    from flowcli.cli.console import message, print_json, print_result, progress
    from flowcli.errors import OutputError
    from flowcli.evaluation.submission import find_submission, write_submission
    from flowcli.io.flow import find_format

    row = find_submission(benchmark)
    pairs = row.list_pairs(root)
    find_format(pairs[0].result).check_available()
    there = [pair for pair in pairs if (output / pair.result).exists()]
    if there and not (resume or overwrite):
        raise OutputError(
            f"{output / there[0].result}: already exists; --resume keeps what is there, --overwrite replaces it"
        )
    if resume and not overwrite:
        pairs = [pair for pair in pairs if pair not in there]
    files: list[str] = []
    if pairs:
        estimator = build_estimator(estimator_options)
        made = write_submission(estimator, pairs, output)
        for path in progress(made, total=len(pairs), description=benchmark):
            files.append(str(path))
    step = row.next_step.replace("FOLDER", str(output))
    if json:
        print_json({"files": files, "kept": len(there) if resume and not overwrite else 0, "next": step})
    else:
        print_result(str(output))
        message(f"next: {step}")
