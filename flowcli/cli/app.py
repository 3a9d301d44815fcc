"""Command table and the single error boundary: `flowcli` and `python -m flowcli` start here.

Only typer and the standard library are imported at module level, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from flowcli import __version__
from flowcli.cli.batch import batch
from flowcli.cli.bench import bench
from flowcli.cli.compile import compile_
from flowcli.cli.convert import convert
from flowcli.cli.demo import demo
from flowcli.cli.estimate import estimate
from flowcli.cli.evaluate import evaluate
from flowcli.cli.info import info
from flowcli.cli.render import render
from flowcli.cli.train import train
from flowcli.cli.weights import weights_app
from flowcli.errors import FlowcliError, UsageError

app = typer.Typer(
    name="flowcli",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Dense optical flow from the command line, estimated by a Perceiver IO network.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flowcli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


# The order of the help text.
for _command in (estimate, batch, render, convert, evaluate, train):
    app.command()(_command)
app.add_typer(weights_app, name="weights")
for _command in (info, bench):
    app.command()(_command)
app.command("compile")(compile_)
app.command()(demo)


def main() -> None:
    """Run the command line; a FlowcliError becomes one line on stderr and exit code 1, or 2 if it is a UsageError."""
    # Threads that wait for each other sleep: spinning, they take the processor from whoever they wait for when a
    # machine is shared. Read once, when the library of torch's threads is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except FlowcliError as error:
        sys.stderr.write(f"flowcli: {error}\n")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        sys.stderr.write("flowcli: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of stdout went away (`flowcli ... | head`); the exit code of a SIGPIPE death, without its noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
