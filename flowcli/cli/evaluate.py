"""`flowcli evaluate`: errors of one or several models on pairs with known flow."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli import options
from flowcli.cli.console import message, print_json, print_result, progress
from flowcli.cli.estimator_options import with_estimator_options
from flowcli.errors import OutputError
from flowcli.evaluation.datasets import DATASETS
from flowcli.methods import named_methods
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flowcli.evaluation.labelled import LabelledPair
    from flowcli.evaluation.run import PairResult

REPORT = "Report"

if TYPE_CHECKING:
    DatasetName = str
else:
    DatasetName = Literal[tuple(DATASETS)]


@partial(with_estimator_options, without=frozenset({"model"}))
def evaluate(
    dataset: Annotated[
        DatasetName | None,
        typer.Argument(metavar="DATASET", help="A published data set."),
    ] = None,
    root: Annotated[
        Path | None, typer.Argument(metavar="ROOT", help="The folder it was unpacked to, in its published layout.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            metavar="FILE.csv",
            help="Instead of a data set: columns dataset,name,frame1,frame2,flow; paths relative to the file.",
        ),
    ] = None,
    rendered: Annotated[
        bool,
        typer.Option(
            "--rendered",
            help="Instead of a data set: 5 kinds of 20 rendered pairs, no files needed; the same for everyone.",
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Measure the first N pairs only.")
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=REPORT, help="Print JSON: settings, both ways of pooling, every pair."),
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", rich_help_panel=REPORT, help="Print the table as CSV.")] = False,
    per_pair: Annotated[
        bool, typer.Option("--per-pair", rich_help_panel=REPORT, help="Print a row per pair, not per data set.")
    ] = False,
    save_worst: Annotated[
        int | None,
        typer.Option(
            "--save-worst",
            min=1,
            metavar="N",
            rich_help_panel=REPORT,
            help="Draw the N worst pairs of each model: frame, truth, estimate, error; and a page to look into them.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", rich_help_panel=REPORT, help="Where those pictures go."),
    ] = None,
    overwrite: options.Overwrite = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="M",
            rich_help_panel=options.MODEL,
            help=f"compact (default), perceiver-io, {', '.join(named_methods())} or a checkpoint file; repeat it to "
            "compare. A row for zero, no motion anywhere, is always there.",
        ),
    ] = None,
    flows: Annotated[
        list[Path] | None,
        typer.Option(
            "--flows",
            metavar="FOLDER",
            rich_help_panel=options.MODEL,
            help="Results of any method in the layout of the data set (as its truth or a submission is called), or "
            "DATASET/NAME or NAME for --pairs; repeat it to compare. Without --model nothing is estimated.",
        ),
    ] = None,
    estimator_options: EstimatorOptions = EstimatorOptions(),
) -> None:
    """Measure models on pairs with known flow.

    EPE, outliers beyond 1, 3 and 5 px, Fl, angular error, EPE by speed and where the second frame shows the point,
    covers it or does not reach it, seconds per pair.
    """
    if json and csv:
        raise typer.BadParameter("expected at most one of --json and --csv, got both")
    if (save_worst is None) != (output is None):
        raise typer.BadParameter("--save-worst N and -o FOLDER belong together: give both or neither")
    chosen = _list_pairs(dataset, root, pairs, rendered)[:limit]
    if output is not None:
        _check_picture_folder(output, overwrite)

    from flowcli.estimator import Estimator
    from flowcli.evaluation.found_flows import find_flows, score_flows
    from flowcli.evaluation.report import benchmark_summary, format_csv, format_table, pair_list_summary
    from flowcli.evaluation.run import evaluate as run
    from flowcli.evaluation.worst import WorstPairs
    from flowcli.methods import build_methods
    from flowcli.runtime.process import configure_process, keep_what_is_loaded

    found = {name: find_flows(folder, chosen) for name, folder in _named(flows or []).items()}
    models: list[str] = list(dict.fromkeys([*(model or ([] if flows else ["compact"])), "zero"]))
    with keep_what_is_loaded():
        configure_process(estimator_options.threads)
        estimators = {name: Estimator(method) for name, method in build_methods(models, estimator_options).items()}
    summary = benchmark_summary() if dataset else pair_list_summary()
    runs: dict[str, Iterator[PairResult]] = {name: score_flows(paths, chosen) for name, paths in found.items()}
    runs |= {name: run(estimator, chosen) for name, estimator in estimators.items()}
    for name, results in runs.items():
        worst = WorstPairs(save_worst or 0)
        for result in progress(results, total=len(chosen), description=name):
            summary.add(name, result)
            worst.add(result)
        if output is not None:
            for path in [*worst.save(output, name), worst.save_page(output, name)]:
                message(f"wrote {path}")

    rows = summary.pair_rows() if per_pair else summary.dataset_rows()
    if json:
        settings: dict[str, object] = {name: {"flows": str(folder)} for name, folder in _named(flows or []).items()}
        settings |= {name: estimator.settings for name, estimator in estimators.items()}
        print_json({"source": "rendered" if rendered else str(pairs or root), "models": settings, **summary.as_plain()})
    elif csv:
        print_result(format_csv(rows))
    else:
        notes = [] if per_pair else ["", *summary.footnotes()]
        print_result("\n".join([format_table(rows), *notes]))


def _list_pairs(
    dataset: DatasetName | None, root: Path | None, pairs: Path | None, rendered: bool
) -> list[LabelledPair]:
    """Find the pairs and check that their files are there; nothing is decoded."""
    if (dataset is not None) + (pairs is not None) + rendered != 1 or (dataset is None) != (root is None):
        raise typer.BadParameter("expected one of DATASET ROOT, --pairs FILE.csv and --rendered")
    if rendered:
        from flowcli.evaluation.rendered import list_rendered

        return list_rendered()
    if pairs is not None:
        from flowcli.evaluation.pair_list import read_pair_list

        return read_pair_list(pairs)
    assert dataset is not None and root is not None
    from flowcli.evaluation.datasets import open_dataset

    return open_dataset(dataset, root)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the folders by their last names, by their whole paths where these are not enough or are a method's."""
    names = [folder.resolve().name for folder in folders]
    taken = {*named_methods(), "compact"}
    return {
        name if names.count(name) == 1 and name not in taken else str(folder): folder
        for name, folder in zip(names, folders, strict=True)
    }


def _check_picture_folder(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: expected a folder for the pictures, found a file; give another name")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise OutputError(
            f"{folder}: expected a new or empty folder, found files in it; add --overwrite to write there"
        )
