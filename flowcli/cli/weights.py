"""`flowcli weights`: which weights there are, and getting, importing and checking them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli.options import Json, Overwrite

if TYPE_CHECKING:
    from flowcli.checkpoints.download import ProgressBar
    from flowcli.checkpoints.listing import WeightsSummary

weights_app = typer.Typer(
    no_args_is_help=True, help="List, fetch, import and check weights (folder: $FLOWCLI_WEIGHTS, or the user's cache)."
)


@weights_app.command("list")
def list_weights(json: Json = False) -> None:
    """List known and imported weights."""
    from dataclasses import asdict

    from flowcli.checkpoints.listing import summarise_weights
    from flowcli.cli.console import print_json, print_result

    summaries = summarise_weights(digests=json)
    if json:
        print_json([asdict(summary) for summary in summaries])
        return
    rows = [("NAME", "HERE", "SIZE", "PARAMETERS", "LICENCE", "EPE IN PIXELS"), *map(_row, summaries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@weights_app.command("pull")
def pull_weights(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name of `flowcli weights list`.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Everything that is published.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Fetch published weights, verify their digest, and print their path; they are kept exactly as published.

    A file in the Hugging Face cache is taken from there. A transfer that broke goes on where it stopped. HF_ENDPOINT
    names a mirror of the hub, HTTPS_PROXY a proxy.
    """
    from flowcli.checkpoints.download import pull
    from flowcli.checkpoints.manifest import KNOWN
    from flowcli.cli.console import message, print_result
    from flowcli.errors import FlowcliError, UsageError, WeightsError

    if (name is None) != all_:
        raise UsageError(f"expected one name of {', '.join(KNOWN)}, or --all; got {'neither' if not all_ else 'both'}")
    if name is not None:
        return print_result(str(pull(name, overwrite=overwrite, bar=lambda: _make_bar(name), notify=message)))
    faults = 0
    for each in KNOWN:
        try:
            print_result(str(pull(each, overwrite=overwrite, bar=partial(_make_bar, each), notify=message)))
        except FlowcliError as error:
            message(f"{each}: {error}" if not str(error).startswith(each) else str(error))
            faults += 1
    if faults:
        raise WeightsError(f"{faults} of {len(KNOWN)} weights could not be fetched; listed above")


@weights_app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights in any layout that flowcli reads.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What --model will call them.")] = "perceiver-io",
    gelu: Annotated[
        Literal["tanh", "erf"] | None,
        typer.Option(help="GELU of a published file: tanh as trained (default), erf as in the PyTorch ports."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Check weights of another program, write them into the weights folder, and print their path.

    Hugging Face safetensors and .bin, DeepMind .pystate, and the files of JOBR0 and krasserm are recognised by content.
    """
    from flowcli.checkpoints.importing import import_checkpoint
    from flowcli.cli.console import print_result

    print_result(str(import_checkpoint(file, name, gelu=gelu, overwrite=overwrite)))


@weights_app.command("verify")
def verify_weights(
    what: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="Default: all weights on this machine.")
    ] = None,
    json: Json = False,
) -> None:
    """Read weights completely and compare their digests; exit code 1 if any are damaged."""
    from flowcli.checkpoints.listing import summarise_weights
    from flowcli.checkpoints.verification import verify
    from flowcli.cli.console import print_json, print_result

    targets = [what] if what is not None else [row.name for row in summarise_weights() if row.present]
    verdicts = [(target, verify(target)) for target in targets]
    if json:
        print_json(
            [
                {"name": target, "path": str(verdict.path), "sha256": verdict.sha256, "finding": verdict.finding}
                for target, verdict in verdicts
            ]
        )
        return
    for target, verdict in verdicts:
        print_result(f"{target}: {verdict.finding}, sha256 {verdict.sha256}")


@weights_app.command("path")
def print_weights_path(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: the weights folder.")] = None,
) -> None:
    """Print where weights lie."""
    from flowcli.checkpoints.store import locate, weights_folder
    from flowcli.cli.console import print_result

    print_result(str(weights_folder() if name is None else locate(name)))


def _make_bar(name: str) -> ProgressBar:
    from tqdm import tqdm

    quiet = not sys.stderr.isatty()
    return tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr, disable=quiet, leave=False)


def _row(summary: WeightsSummary) -> tuple[str, ...]:
    return (
        summary.name,
        "yes" if summary.present else "no",
        "-" if summary.bytes is None else f"{summary.bytes / 1e6:.1f} MB",
        "-" if summary.parameters is None else f"{summary.parameters:,}",
        summary.licence or "-",
        ", ".join(f"{dataset} {error:.2f}" for dataset, error in summary.epe.items()) or "-",
    )
