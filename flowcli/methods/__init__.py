"""What can estimate flow: METHODS is the table of names, `FlowMethod` what all of them offer.

A method of your own is any object with `estimate`; `Estimator(method)` takes it as it is. To give it a name, add a file
with a builder and a row here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from flowcli.deferred import Deferred
from flowcli.errors import UsageError
from flowcli.options import EstimatorOptions, flag

if TYPE_CHECKING:
    from flowcli.checkpoints import Checkpoint
    from flowcli.flow import FlowField, Pair


@runtime_checkable
class FlowMethod(Protocol):
    """What every method offers.

    A method may have more: `settings`, a dict of plain JSON values that says what determines its flow;
    `estimate_both(pairs)`, if both directions cost less together; `pairs_at_once`, how many it likes to be given;
    `footprint(size, both)`, the memory it takes, and `limit_workers(most)`, which lowers it; `close()`, which ends its
    threads.
    """

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Estimate the flow of pairs of uint8 `(H, W, 3)` RGB frames, all of one size, in order; any size from 1x1."""
        ...


Builder = Deferred[[EstimatorOptions, "Checkpoint | None"], FlowMethod]


@dataclass(frozen=True)
class Method:
    """One row of METHODS.

    Attributes:
        description: one line for the help text.
        builder: makes the method from its options and, if it needs one, a checkpoint.
        options: the fields of EstimatorOptions that it knows.
        checkpoint: whether it is chosen by the checkpoint that --model names, not by its own name.
    """

    description: str
    builder: Deferred[[EstimatorOptions, Checkpoint | None], FlowMethod]
    options: frozenset[str]
    checkpoint: bool = False


def _deferred(name: str) -> Builder:
    return Deferred(f"flowcli.methods.{name}")


# What every method takes, what coarse to fine adds, and what a network adds.
_ANY = frozenset({"threads", "memory"})
_SURROUNDINGS = frozenset({"preset", "initial_flow"})
_NETWORK = frozenset({"device", "precision", "kernels", "batch", "overlap"})

METHODS: dict[str, Method] = {
    "zero": Method("no motion anywhere", _deferred("classical:build_zero"), _ANY),
    "dis": Method("OpenCV's DIS", _deferred("classical:build_dis"), _ANY),
    "farneback": Method("OpenCV's Farneback", _deferred("classical:build_farneback"), _ANY),
    "variational": Method(
        "coarse to fine without any network", _deferred("coarse_to_fine:build"), _ANY | _SURROUNDINGS
    ),
    "untrained": Method(
        "coarse to fine with networks that have learned nothing, for comparison",
        _deferred("coarse_to_fine:build_untrained"),
        _ANY | _NETWORK | _SURROUNDINGS | {"refine"},
    ),
    "perceiver": Method(
        "a network of whole motions, one scale in tiles", _deferred("perceiver:build"), _ANY | _NETWORK, checkpoint=True
    ),
    "coarse_to_fine": Method(
        "coarse to fine with a network of residuals",
        _deferred("coarse_to_fine:build"),
        _ANY | _NETWORK | _SURROUNDINGS | {"refine"},
        checkpoint=True,
    ),
}


def named_methods() -> list[str]:
    """Return the names that --model takes beside checkpoints."""
    return [name for name, row in METHODS.items() if not row.checkpoint]


def find_method(model: str) -> tuple[Method, Checkpoint | None]:
    """Return the row of METHODS for what --model names, and the checkpoint if it is one.

    Raises:
        WeightsError: neither a name nor a checkpoint that can be read.
    """
    if model in named_methods():
        return METHODS[model], None
    from flowcli.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(model)
    return METHODS["coarse_to_fine" if checkpoint.config.residual else "perceiver"], checkpoint


def check_options(rows: Sequence[tuple[str, Method]], options: EstimatorOptions) -> None:
    """Raise UsageError if an option is given that none of the methods, (model, row) each, knows."""
    unknown = options.given.difference(*(row.options for _, row in rows))
    # A CPU is where all methods run.
    if options.device == "cpu":
        unknown -= {"device"}
    if unknown:
        names = " and ".join(name for name, _ in rows)
        flags = ", ".join(sorted(map(flag, unknown)))
        raise UsageError(f"expected no {flags} with --model {names}, which has no such option; leave it out")


def build_method(options: EstimatorOptions) -> FlowMethod:
    """Build what the options name.

    Raises:
        UsageError: an option that the method does not have, or a value that does not fit it.
        WeightsError: the checkpoint is absent, damaged or of another network.
        EngineError: the device, the precision or the kernels are not to be had.
    """
    return build_methods([options.model], options)[options.model]


def build_methods(models: Sequence[str], options: EstimatorOptions) -> dict[str, FlowMethod]:
    """Build several methods, each with the options that it knows; an option that none of them knows is refused.

    Raises:
        UsageError, WeightsError, EngineError: see `build_method`.
    """
    found = {model: find_method(model) for model in models}
    check_options([(model, row) for model, (row, _) in found.items()], options)
    methods: dict[str, FlowMethod] = {}
    for model, (row, checkpoint) in found.items():
        methods[model] = row.builder(replace(options, model=model).only(row.options), checkpoint)
    return methods
