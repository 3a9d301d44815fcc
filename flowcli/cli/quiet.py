"""`--quiet` for every command: no progress and no messages on stderr, errors alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from flowcli.cli.console import Console

_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no messages; errors are still told.")]


def with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with an option --quiet."""
    signature = inspect.signature(command, eval_str=True)
    quiet = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Quiet)
    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()]

    def run(quiet: bool = False, **values: Any) -> None:
        Console.quiet = quiet
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=[*parameters, quiet])  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in (*parameters, quiet)} | {"return": None}
    return run
