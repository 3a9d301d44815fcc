"""Who takes part in a suite: our presets, and the methods that they are measured against, where these are installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from flowcli.benchmark.plan import find_weights
from flowcli.coarse_to_fine.config import DEFAULT_PRESET, PRESETS

TRANSFORMERS = "transformers"
PUBLISHED = "perceiver-io"
OPENCV = ("dis", "farneback")
MODELS = ("compact", "variational", PUBLISHED, *OPENCV, TRANSFORMERS)
"""By default."""

EVERYTHING = float("inf")
LARGEST = {PUBLISHED: 0.5, TRANSFORMERS: 0.3}
"""Megapixels of a pair: a network of whole motions takes seconds for each tile of 0.18."""


@dataclass(frozen=True)
class Contestant:
    """One row of every table.

    Attributes:
        name: of it there.
        model: as --model takes it, or TRANSFORMERS.
        preset: as --preset takes it, or None.
        weights: "own", "random" if they are not on this machine, "none" if it has none.
    """

    name: str
    model: str
    preset: str | None = None
    weights: str = "none"

    @property
    def largest(self) -> float:
        """Megapixels of the largest pair that it is measured with."""
        return LARGEST.get(self.name, EVERYTHING)

    @property
    def is_tiled(self) -> bool:
        """Whether it is a network of whole motions, too slow for videos."""
        return self.name in LARGEST

    @property
    def flags(self) -> list[str]:
        """Options of our commands that choose it."""
        return ["--model", self.model, *([] if self.preset is None else ["--preset", self.preset])]

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Contestant:
        """Rebuild from `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Absent:
    """Who does not take part, or not in everything, and why."""

    name: str
    reason: str


def find_contestants(
    models: Sequence[str], presets: Sequence[str], folder: Path
) -> tuple[list[Contestant], list[Absent]]:
    """Return who takes part, and who does not.

    Args:
        models: names of MODELS, or files of weights.
        presets: of the models that have them; empty: all for "compact", its own for others.
        folder: for random weights.

    Raises:
        WeightsError: a file of weights is not there.
        EngineError: random weights could not be made.
    """
    found: list[Contestant] = []
    absent: list[Absent] = []
    random: dict[str, tuple[str, str]] = {}
    for model in dict.fromkeys(models):
        if model in (*OPENCV, "variational", "zero"):
            found.append(Contestant(model, model))
            continue
        if model == TRANSFORMERS and find_spec(TRANSFORMERS) is None:
            absent.append(Absent(model, "is not installed; pip install transformers"))
            continue
        network = PUBLISHED if model == TRANSFORMERS else model
        if network not in random:
            random[network] = find_weights(network, folder, lambda _: None)
        origin, path = random[network]
        weights = path if origin == "random" or model == TRANSFORMERS else model
        if origin == "random":
            reason = f"has random weights, which take the same time: no error; flowcli weights pull {network}"
            absent.append(Absent(model, reason))
        one = Contestant(model, weights, None, origin)
        if network == PUBLISHED:
            found.append(one)
            continue
        chosen = presets or (list(PRESETS) if model == "compact" else [None])
        for preset in chosen:
            name = " ".join(filter(None, (None if model == "compact" else model, preset)))
            found.append(replace(one, name=name or model, preset=preset))
    return found, absent


def choose_baseline(contestants: Sequence[Contestant]) -> Contestant:
    """Return whose times the others are told in: the default preset's, or else the first one's."""
    return next((one for one in contestants if one.name == DEFAULT_PRESET), contestants[0])
