"""Every number of a training run, in one frozen object that a TOML file can fill."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from flowcli.errors import InputError
from flowcli.model.config import COARSE, COMPACT, ModelConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  # installed for Python 3.10 only


_MAX_SETTINGS = 2**20


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of `flowcli train`; InputError when one of them makes no training.

    Attributes:
        model: the network.
        steps: optimiser steps of the whole run; the schedule ends there.
        batch: frame pairs per step and process; the learning rates are not adapted to the number of processes.
        seed: fixes textures, pairs, initial weights and so the result (on one device type, number of threads and of
            processes).
        muon_rate: learning rate of the orthogonalised updates of the hidden matrices; 0 leaves them to AdamW as well.
        adam_rate: learning rate of AdamW on everything else.
        warmup: steps in which the rates rise from zero.
        decay: last share of the steps in which the rates fall linearly to zero.
        ema: decay of the averaged weights per step; the average is what is validated and shipped.
        smallest_residual: shortest residual in pixels that the network is shown.
        largest_residual: longest residual, reached after `widening` steps, starting from `first_residual`.
        first_residual: the largest residual at step 0.
        widening: steps over which the residuals and the motion widen.
        largest_motion: longest background motion in pixels (at the level the network sees).
        second_pass: share of a batch shown a second time, with the network's own estimate as the handed-down flow.
        polished: share of the handed-down flows that are polished first, as they are in the estimate; on the CPU.
        precision: "bf16" multiplies the network's matrices in bfloat16 (weights, loss and optimisers stay in float32);
            "fp32" does not.
        textures: procedural and photo textures in the bank; a new bank is drawn every `bank_steps`.
        bank_steps: steps that use one bank.
        photo_share: share of the bank cut from photos when there are any.
        shows: times that a rendered group of pairs is shown, flipped and recoloured; the coarse network only.
        pool: rendered groups kept to be shown again; the coarse network only.
        validate_every: steps between validations.
        save_every: steps between saves of the state.
    """

    model: ModelConfig = field(default=COMPACT)
    steps: int = 4000
    batch: int = 24
    seed: int = 0
    muon_rate: float = 0.02
    adam_rate: float = 1.5e-3
    warmup: int = 100
    decay: float = 0.4
    ema: float = 0.995
    smallest_residual: float = 0.1
    first_residual: float = 0.5
    largest_residual: float = 2.0
    widening: int = 1000
    largest_motion: float = 14.0
    second_pass: float = 0.25
    polished: float = 0.75
    precision: Literal["fp32", "bf16"] = "fp32"
    textures: int = 384
    bank_steps: int = 500
    photo_share: float = 0.5
    shows: int = 3
    pool: int = 24
    validate_every: int = 200
    save_every: int = 100

    def __post_init__(self) -> None:
        check_settings({item.name: getattr(self, item.name) for item in fields(self) if item.name != "model"})

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object], base: TrainingConfig | None = None) -> TrainingConfig:
        """Build from parsed TOML or JSON, the rest from `base`, by default the defaults.

        Raises:
            InputError: an unknown key, a wrong type or an impossible value.
        """
        base = base or cls()
        return replace(base, **check_settings(values, base=base))  # type: ignore[arg-type]  # types were checked


# Lowest and highest value of every number. Whole numbers end where a GPU's do; nothing trains that long.
_SHARE = (0.0, 1.0)
_PIXELS = (0.0, 1e4)
_COUNT = (1, 2**31 - 1)
_RANGES: dict[str, tuple[float, float]] = {
    "steps": _COUNT,
    "batch": _COUNT,
    "seed": (0, 2**63 - 1),
    "muon_rate": (0.0, 1e3),
    "adam_rate": (0.0, 1e3),
    "warmup": (0, 2**31 - 1),
    "decay": _SHARE,
    "ema": _SHARE,
    "smallest_residual": _PIXELS,
    "first_residual": _PIXELS,
    "largest_residual": _PIXELS,
    "widening": (0, 2**31 - 1),
    "largest_motion": _PIXELS,
    "second_pass": _SHARE,
    "polished": _SHARE,
    "textures": _COUNT,
    "bank_steps": _COUNT,
    "photo_share": _SHARE,
    "shows": _COUNT,
    "pool": _COUNT,
    "validate_every": _COUNT,
    "save_every": _COUNT,
}


def check_settings(
    values: Mapping[str, object], source: str = "", base: TrainingConfig | None = None
) -> dict[str, object]:
    """Return settings with the types of TrainingConfig, those that `values` has.

    Args:
        values: parsed TOML or JSON.
        source: the file they come from, for messages.
        base: the settings that the network has where `values` do not say; None: the defaults.

    Raises:
        InputError: an unknown key, a wrong type or an impossible value.
    """
    begin = f"{source}: " if source else ""
    known = {item.name: item for item in fields(TrainingConfig)}
    if unknown := sorted(values.keys() - known.keys()):
        raise InputError(f"{begin}unknown training setting {unknown[0]!r:.60}; known are {', '.join(known)}")
    checked: dict[str, object] = {}
    for name, value in values.items():
        if name == "model":
            checked[name] = _check_model(value, begin, COMPACT if base is None else base.model)
        elif name == "precision":
            if value not in ("fp32", "bf16"):
                raise InputError(
                    f"{begin}expected training setting 'precision' as 'fp32' or 'bf16', got {_show(value)}"
                )
            checked[name] = value
        else:
            wanted = float if known[name].type == "float" else int
            lowest, highest = _RANGES[name]
            # Not-a-number is not within any range.
            if isinstance(value, bool) or not isinstance(value, int | wanted) or not lowest <= value <= highest:
                kind = "number" if wanted is float else "whole number"
                raise InputError(
                    f"{begin}expected training setting {name!r} as a {kind} from {lowest} to {highest}, "
                    f"got {_show(value)}"
                )
            checked[name] = wanted(value)
    return checked


def _check_model(value: object, begin: str, base: ModelConfig) -> ModelConfig:
    if not isinstance(value, dict):
        raise InputError(f"{begin}expected training setting 'model' as a table, got {_show(value)}")
    try:
        return ModelConfig.from_dict({**base.to_dict(), **value})
    except (ValueError, TypeError) as error:
        raise InputError(f"{begin}training setting 'model': {error!s:.300}") from None


def _show(value: object) -> str:
    # Numbers of thousands of digits, and tables in tables without end, cannot be spelled out.
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number beyond 64 bits"
    return f"{value!r:.60}" if isinstance(value, str | int | float) else f"a {type(value).__name__}"


DEFAULTS = {
    "residual": TrainingConfig(),
    # Frames of six times the pixels: smaller batches and steps. Photos and textures are small at that level.
    "coarse": TrainingConfig(
        model=COARSE, batch=16, muon_rate=0.01, adam_rate=1e-3, warmup=60, decay=0.45, ema=0.997, textures=192
    ),
}
"""Settings of a run by the network that it trains."""


def name_network(model: ModelConfig) -> str:
    """Return which of DEFAULTS trains such a network."""
    return "coarse" if model.candidates else "residual"


def read_toml(path: Path) -> dict[str, object]:
    """Parse a settings file and check it.

    Raises:
        InputError: it is missing, larger than 1 MiB, no TOML, or holds what makes no training.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SETTINGS + 1)
        if len(content) > _MAX_SETTINGS:
            raise InputError(f"{path}: expected at most {_MAX_SETTINGS} bytes of training settings, found more")
        values = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file of training settings, {error.strerror}") from None
    # Beside its own error the parser lets those of int() and of deep nesting through.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected TOML, found {error!s:.300}") from None
    check_settings(values, str(path))
    return values
