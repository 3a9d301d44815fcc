"""Every number of a training run, in one frozen object that a TOML file can fill."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

from flowcli.errors import InputError
from flowcli.model.config import COMPACT, ModelConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  # installed for Python 3.10 only

_LARGEST = 2**62
# A hundred times what all settings take; the parser's time grows with the square of what is nested in a file.
_MAX_TOML_BYTES = 2**16


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
    validate_every: int = 200
    save_every: int = 100

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> TrainingConfig:
        """Build from parsed TOML or JSON; InputError on an unknown key, a wrong type or an impossible value."""
        known = {item.name: item for item in fields(cls)}
        if unknown := sorted(values.keys() - known.keys()):
            raise InputError(f"unknown training setting {unknown[0]!r}; known are {', '.join(known)}")
        checked: dict[str, object] = {}
        for name, value in values.items():
            if name == "model":
                if not isinstance(value, dict):
                    raise InputError(f"expected training setting 'model' as a table, got {_show(value)}")
                try:
                    checked[name] = ModelConfig.from_dict({**COMPACT.to_dict(), **value})
                except ValueError as error:
                    raise InputError(f"training setting 'model': {error}") from None
                continue
            if name == "precision":
                if value not in ("fp32", "bf16"):
                    raise InputError(f"expected training setting 'precision' as 'fp32' or 'bf16', got {_show(value)}")
                checked[name] = value
                continue
            wanted = float if known[name].type == "float" else int
            if isinstance(value, bool) or not isinstance(value, (int, wanted)) or not 0 <= value <= _LARGEST:
                raise InputError(
                    f"expected training setting {name!r} as a {wanted.__name__} from 0 to 2^62, got {_show(value)}"
                )
            checked[name] = wanted(value)
        config = cls(**checked)  # type: ignore[arg-type]  # types were checked just above
        for name in ("steps", "batch", "textures", "bank_steps", "validate_every", "save_every"):
            if getattr(config, name) < 1:
                raise InputError(f"expected training setting {name!r} of at least 1, got 0")
        for name in ("decay", "ema", "second_pass", "polished", "photo_share"):
            if getattr(config, name) > 1:
                raise InputError(f"expected training setting {name!r} of at most 1, got {getattr(config, name)!r}")
        return config


def read_toml(path: Path) -> dict[str, object]:
    """Parse a settings file and check its values; InputError, with the file's name, on anything that is no setting."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TOML_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file of training settings, {error.strerror}") from None
    if len(content) > _MAX_TOML_BYTES:
        raise InputError(f"{path}: expected training settings, found more than {_MAX_TOML_BYTES >> 10} KiB")
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, or a number or a nesting without end
        raise InputError(f"{path}: expected TOML, found {error}") from None
    try:
        TrainingConfig.from_dict(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return values


def _show(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # Python does not print numbers of more than 4300 digits
        return "something that cannot be shown"
