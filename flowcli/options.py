"""The options of an estimator, in one place: passed whole from the command line to the method.

Without torch, so that a command's help can be made from it; each field's metadata is what the command line shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypedDict

from flowcli.coarse_to_fine.config import PRESETS
from flowcli.errors import UsageError

INITIAL_FLOWS = ("auto", "none", "dis")
PRECISIONS = ("auto", "fp32", "bf16")
KERNELS = ("auto", "compiled", "torch")

MOST_THREADS = 1024
"""More than that no machine has for one process, and each takes memory."""


@dataclass(frozen=True)
class EstimatorOptions:
    """What an `Estimator` is built from; None or "auto" leaves the choice to the method.

    Attributes:
        model: a name of `flowcli.methods.METHODS` or of known weights ("compact", "perceiver-io"), or a file of them.
        initial_flow: "none", "dis" or "auto": a flow from elsewhere that stays where the estimate is not better.
        refine: variational refinement and weighted median beside the network.
        preset: a name of `flowcli.coarse_to_fine.config.PRESETS`: how much work a pair gets.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32" or "bf16": arithmetic of the network.
        kernels: "auto" takes what `flowcli compile` made, on a CPU; "compiled" insists on it; "torch" does without.
            The same flow within rounding.
        memory: ceiling for the whole process in GiB, more than 0, on a CPU; on a GPU for the network's buffers there.
        batch: tiles per step of the network, from 1; None: as many as the memory holds.
        overlap: overlap of tiles in pixels, from 0; None: the model's own.
        threads: CPU threads, from 1; None: torch's choice.

    Raises:
        UsageError: a value that no method could take.
    """

    model: str = "compact"
    initial_flow: str = "auto"
    refine: bool | None = None
    preset: str | None = None
    device: str = "auto"
    precision: str = "auto"
    kernels: str = "auto"
    memory: float | None = None
    batch: int | None = None
    overlap: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", str(self.model))
        if not isinstance(self.device, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"{flag('device')}: expected text such as auto, cpu or cuda, got {self.device!r}")
        if self.refine not in (None, True, False):
            raise UsageError(f"{flag('refine')}: expected true or false, got {self.refine!r}")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in _OPTIONAL):
                raise UsageError(f"{flag(name)}: expected one of {', '.join(choices)}, got {value!r}")
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not least <= value <= most or (name != "memory" and value != int(value)):
                raise UsageError(f"{flag(name)}: expected a number from {least:g} to {most:g}, got {value!r}")

    @property
    def given(self) -> frozenset[str]:
        """Names of the fields that differ from their default, the model left out."""
        return frozenset(f.name for f in fields(self) if f.name != "model" and getattr(self, f.name) != f.default)

    def only(self, names: frozenset[str]) -> EstimatorOptions:
        """Return the options with the fields that are not among `names` back at their default, the model kept."""
        return replace(self, **{f.name: f.default for f in fields(self) if f.name in self.given - names})


class OptionValues(TypedDict, total=False):
    """The fields of EstimatorOptions except the model, as keyword arguments; a test compares the two."""

    initial_flow: str
    refine: bool | None
    preset: str | None
    device: str
    precision: str
    kernels: str
    memory: float | None
    batch: int | None
    overlap: int | None
    threads: int | None


CHOICES: dict[str, tuple[str, ...]] = {
    "initial_flow": INITIAL_FLOWS,
    "preset": tuple(PRESETS),
    "precision": PRECISIONS,
    "kernels": KERNELS,
}
_OPTIONAL = frozenset({"preset"})
RANGES: dict[str, tuple[float, float]] = {
    "memory": (2**-10, 2**20),
    "batch": (1, 2**20),
    "overlap": (0, 2**20),
    "threads": (1, MOST_THREADS),
}


def flag(name: str) -> str:
    """Return a field's name as it is typed on the command line."""
    return f"--{name.replace('_', '-')}"
