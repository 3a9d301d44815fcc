"""One decorator gives a command the options of an estimator: a command line option per field of EstimatorOptions.

A command names one parameter of that type, by default `EstimatorOptions()`, and is called with all options in it. What
an option is called and says in --help is written here, once; its choices come from the tables themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowcli.cli.options import MODEL, SPEED
from flowcli.coarse_to_fine.config import DEFAULT_PRESET
from flowcli.methods import named_methods
from flowcli.options import CHOICES, RANGES, EstimatorOptions, flag

if TYPE_CHECKING:
    from flowcli.estimator import Estimator


def _choice(name: str) -> Any:
    return Literal[CHOICES[name]]  # pyright: ignore[reportInvalidTypeForm]


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, **settings)


MODEL_HELP = (
    f"compact (embedded), perceiver-io (as published), a checkpoint file; {', '.join(named_methods())} to compare."
)

# Field of EstimatorOptions -> its type and its option.
_SHOWN: dict[str, tuple[Any, Any]] = {
    "model": (str, _option("--model", metavar="M", rich_help_panel=MODEL, help=MODEL_HELP)),
    "initial_flow": (
        _choice("initial_flow"),
        _option(
            flag("initial_flow"),
            rich_help_panel=MODEL,
            help="Coarse to fine only: dis lets OpenCV's DIS stay where the estimate does not explain the frames "
            "better, none goes without.",
        ),
    ),
    "refine": (
        bool | None,
        _option(
            "--refine/--no-refine",
            rich_help_panel=MODEL,
            show_default="on",
            help="Coarse to fine only: variational refinement and a weighted median at the edges of motion, level by "
            "level and at the end.",
        ),
    ),
    "preset": (
        _choice("preset") | None,
        _option(
            flag("preset"),
            rich_help_panel=MODEL,
            show_default=DEFAULT_PRESET,
            help="Coarse to fine only: work done per pair, error against time.",
        ),
    ),
    "device": (
        str,
        _option(flag("device"), metavar="D", rich_help_panel=SPEED, help="auto, cpu, cuda, cuda:N or mps."),
    ),
    "precision": (
        _choice("precision"),
        _option(flag("precision"), rich_help_panel=SPEED, help="Arithmetic of the network."),
    ),
    "kernels": (
        _choice("kernels"),
        _option(
            flag("kernels"),
            rich_help_panel=SPEED,
            help="On a CPU: auto takes what `flowcli compile` made, torch does without.",
        ),
    ),
    "memory": (
        float | None,
        _option(
            flag("memory"),
            metavar="GIB",
            rich_help_panel=SPEED,
            help="Ceiling for the whole process (on a GPU: for the network's buffers there); the flow is the same.",
        ),
    ),
    "batch": (
        int | None,
        _option(flag("batch"), metavar="N", rich_help_panel=SPEED, help="Tiles per step of the network."),
    ),
    "overlap": (
        int | None,
        _option(flag("overlap"), metavar="PX", rich_help_panel=SPEED, help="Overlap of tiles, in pixels."),
    ),
    "threads": (
        int | None,
        _option(
            flag("threads"), metavar="N", rich_help_panel=SPEED, help=f"CPU threads, at most {RANGES['threads'][1]}."
        ),
    ),
}

# What these options were called before; they still work, and are not shown.
_OLD: dict[str, tuple[str, Any, Any]] = {
    "guess": ("initial_flow", _choice("initial_flow") | None, _option("--guess", hidden=True)),
    "polish": ("refine", bool | None, _option("--polish/--no-polish", hidden=True)),
}


def with_estimator_options(command: Callable[..., None], without: frozenset[str] = frozenset()) -> Callable[..., None]:
    """Return the command with an option per field of EstimatorOptions in place of its parameter of that type.

    Args:
        command: has one parameter annotated EstimatorOptions.
        without: fields that the command names itself, or does not have.
    """
    signature = inspect.signature(command, eval_str=True)
    (place,) = [p.name for p in signature.parameters.values() if p.annotation is EstimatorOptions]
    shown = [f for f in fields(EstimatorOptions) if f.name not in without]
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name != place:
            parameters.append(parameter)
            continue
        for f in shown:
            kind, option = _SHOWN[f.name]
            parameters.append(parameter.replace(name=f.name, annotation=Annotated[kind, option], default=f.default))
        for old, (new, kind, hidden) in _OLD.items():
            if new not in without:
                parameters.append(parameter.replace(name=old, annotation=Annotated[kind, hidden], default=None))

    def run(**values: Any) -> None:
        for old, (new, _, _) in _OLD.items():
            if (value := values.pop(old, None)) is not None:
                values[new] = value
        chosen = EstimatorOptions(**{f.name: values.pop(f.name) for f in shown})
        command(**values, **{place: chosen})

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
    return run


def build_estimator(options: EstimatorOptions) -> Estimator:
    """Set this process up and build the estimator; see `Estimator` for what it raises."""
    from flowcli.estimator import Estimator
    from flowcli.runtime.process import configure_process, keep_what_is_loaded

    with keep_what_is_loaded():
        configure_process(options.threads, spare=options.memory is not None)
        return Estimator(options)
