"""Every number of a training run, in one frozen object that a TOML file can fill."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from flowcli.errors import InputError
from flowcli.model.config import COARSE, COMPACT, ModelConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  # installed for Python 3.10 only


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of `flowcli train`.

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

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object], base: TrainingConfig | None = None) -> TrainingConfig:
        """Build from parsed TOML or JSON, the rest from `base`, by default the defaults.

        Raises:
            InputError: an unknown key, a wrong type or an impossible value.
        """
        base = base or cls()
        known = {item.name: item for item in fields(cls)}
        if unknown := sorted(values.keys() - known.keys()):
            raise InputError(f"unknown training setting {unknown[0]!r}; known are {', '.join(known)}")
        checked: dict[str, object] = {}
        for name, value in values.items():
            if name == "model":
                if not isinstance(value, dict):
                    raise InputError(f"expected training setting 'model' as a table, got {value!r}")
                try:
                    checked[name] = ModelConfig.from_dict({**base.model.to_dict(), **value})
                except ValueError as error:
                    raise InputError(f"training setting 'model': {error}") from None
                continue
            if name == "precision":
                if value not in ("fp32", "bf16"):
                    raise InputError(f"expected training setting 'precision' as 'fp32' or 'bf16', got {value!r}")
                checked[name] = value
                continue
            wanted = float if known[name].type == "float" else int
            if isinstance(value, bool) or not isinstance(value, (int, wanted)) or value < 0:
                raise InputError(f"expected training setting {name!r} as a {wanted.__name__} >= 0, got {value!r}")
            checked[name] = wanted(value)
        config = replace(base, **checked)  # type: ignore[arg-type]  # types were checked just above
        counts = (config.steps, config.batch, config.textures, config.bank_steps, config.shows, config.pool)
        if min(*counts, config.save_every) < 1:
            raise InputError("expected steps, batch, textures, bank_steps, shows, pool and save_every of at least 1")
        return config


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
    """Parse a settings file; InputError when it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file of training settings, {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML, found {error}") from None
