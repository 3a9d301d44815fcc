"""Command table and the single error boundary: `flowcli` and `python -m flowcli` start here.

Only typer and the standard library are imported at module level, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from flowcli import __version__
from flowcli.cli.batch import batch
from flowcli.cli.bench import bench
from flowcli.cli.compile import compile_
from flowcli.cli.console import Console, complain, print_json
from flowcli.cli.convert import convert
from flowcli.cli.demo import demo
from flowcli.cli.diff import diff
from flowcli.cli.estimate import estimate
from flowcli.cli.estimator_options import Process
from flowcli.cli.evaluate import evaluate
from flowcli.cli.info import info
from flowcli.cli.quiet import with_quiet
from flowcli.cli.render import render
from flowcli.cli.stats import stats
from flowcli.cli.streams import StandardOutput, discard_stdout, flush_stdout, prepare_streams
from flowcli.cli.submission import submission
from flowcli.cli.train import train
from flowcli.cli.view import view
from flowcli.cli.warp import warp
from flowcli.cli.weights import weights_app
from flowcli.errors import FlowcliError, UsageError

# Click's base of all it says about a command line: newer versions of Typer bring a Click of their own.
_CommandLineError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

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


# The order of the help text, in groups.
_COMMANDS = {
    "Estimate": (estimate, batch, stats, view),
    "Flow files": (render, convert, warp, diff),
    "Benchmarks and training": (evaluate, submission, train),
    "This installation": (info, bench, compile_, demo),
}
for _group, _members in _COMMANDS.items():
    for _command in _members:
        app.command(_command.__name__.rstrip("_"), rich_help_panel=_group)(with_quiet(_command))
app.add_typer(weights_app, name="weights", rich_help_panel="This installation")


def main() -> None:
    """Run the command line; a FlowcliError becomes one line on stderr and exit code 1, or 2 if it is a UsageError."""
    # Threads that wait for each other sleep: spinning, they take the processor from whoever they wait for when a
    # machine is shared. Read once, when the library of torch's threads is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    Process.is_ours = True
    prepare_streams()
    code = _run()
    fault = flush_stdout()
    if fault is not None:
        complain(f"flowcli: standard output: cannot be written: {fault.strerror or fault}")
        code = code or 1
    sys.exit(code)


def _run() -> int | str | None:
    wants_json = "--json" in sys.argv[1:]
    try:
        # Otherwise wrong usage ends the program where it is told, and nobody else hears what it was.
        return app(standalone_mode=False) if wants_json else app()
    except SystemExit as end:
        return end.code
    except FlowcliError as error:
        complain(f"flowcli: {error}")
        code = 2 if isinstance(error, UsageError) else 1
        _tell_as_json(wants_json, type(error).__name__, str(error), code)
        return code
    except _CommandLineError as error:
        text = error.format_message()
        complain(f"flowcli: {text}")
        _tell_as_json(wants_json, "UsageError", text, error.exit_code)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("flowcli: interrupted")
        _tell_as_json(wants_json, "KeyboardInterrupt", "interrupted", 130)
        return 130
    except OSError as error:
        # Help and version are written by Typer and by rich. Other faults of files are told in a line of their own by
        # now, but for what the system says already when it is asked whether a file is there: of a name that is too
        # long, a folder that may not be entered, a disk that fails. One that names no file is a bug.
        if not _raised_by_terminal_library(error):
            if error.filename is None:
                raise
            text = f"{os.fsdecode(error.filename)}: cannot be used: {error.strerror or error}"
            complain(f"flowcli: {text}")
            _tell_as_json(wants_json, "InputError", text, 1)
            return 1
        StandardOutput.fault = error
        discard_stdout()
        return 1
    return 0


def _tell_as_json(wanted: bool, kind: str, text: str, code: int) -> None:
    # What is read as JSON has to be one value: results that are there already say what was wrong with them.
    if wanted and not Console.has_json:
        # A name may hold bytes that are no text.
        plain = text.encode("utf-8", "backslashreplace").decode()
        print_json({"error": {"kind": kind, "message": plain, "exit_code": code}})


def _raised_by_terminal_library(error: OSError) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").split(".")[0] in (
        "typer",
        "click",
        "rich",
    )
