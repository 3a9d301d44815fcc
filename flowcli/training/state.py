"""The state of a training run, in one file of plain tensors."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import torch

from flowcli.checkpoints.torch_zip import load_torch_zip
from flowcli.errors import InputError, OutputError, WeightsError
from flowcli.io.atomic import replace_when_complete
from flowcli.model.networks import Network
from flowcli.training.config import TrainingConfig, check_settings
from flowcli.training.distributed import Processes
from flowcli.training.muon import Muon


class TrainingState:
    """Weights, their running average, optimiser momenta, the number of steps done and of frame pairs seen."""

    def __init__(
        self, config: TrainingConfig, model: Network, optimisers: list[torch.optim.Optimizer], step: int = 0
    ) -> None:
        self.config, self.model, self.optimisers, self.step = config, model, optimisers, step
        self.samples = step * config.batch
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights towards the current ones; early steps count for more than the decay says."""
        decay = min(self.config.ema, (self.step + 1) / (self.step + 10))
        for mean, value in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state to `path`, whole or not at all; OutputError when it cannot be written."""
    with replace_when_complete(path) as temporary:
        try:
            # By a stream: torch writes the name of a file into it, and that of a temporary one is another each time.
            with temporary.open("wb") as stream:
                torch.save(_content(state), stream)
        except RuntimeError as error:  # how torch reports a full disk
            raise OutputError(f"{path}: cannot be written: {str(error).splitlines()[0]:.200}") from error


def load_settings(path: Path) -> dict[str, object]:
    """Return the settings that the run of a state had last; WeightsError when the file is absent or no state."""
    values = _load(path)["config"]
    try:
        check_settings(values)
    except InputError as error:
        raise WeightsError(f"{path}: the state's settings make no training: {error}") from None
    return values


def load_state(path: Path, state: TrainingState) -> None:
    """Read `path` into `state`, in place; WeightsError when it is absent or of another network."""
    saved = _load(path)
    try:
        _check(saved, state)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{path} holds the state of another network, or a damaged one ({error!s:.200}); resume with the settings "
            "it began with"
        ) from None
    _restore(saved, state)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"expected a training state at {path}, found none; start without --resume")
    try:
        saved = load_torch_zip(path)
    except WeightsError as error:
        raise WeightsError(f"expected a training state, found something else: {error}") from None
    if not isinstance(saved, dict) or not {"step", "config", "model"} <= saved.keys():
        raise WeightsError(f"expected a training state at {path}, found a file of something else")
    if not isinstance(saved["config"], dict) or not all(isinstance(name, str) for name in saved["config"]):
        raise WeightsError(f"expected a training state at {path}, found one whose settings are no table")
    return saved


def _check(saved: dict[str, Any], state: TrainingState) -> None:
    """Raise unless everything in `saved` has the place and the shape that `state` has for it."""
    for count in (saved["step"], saved.get("samples", 0)):
        if type(count) is not int or not 0 <= count < 2**63:
            raise ValueError("its count of steps is no such number")
    for name in ("model", "averaged"):
        expected = getattr(state, name).state_dict()
        if not isinstance(saved[name], dict) or saved[name].keys() != expected.keys():
            raise ValueError(f"its table '{name}' has other tensors")
        for key, tensor in expected.items():
            _check_tensor(saved[name][key], tensor.shape, key)
    if not isinstance(saved["optimisers"], list) or len(saved["optimisers"]) != len(state.optimisers):
        raise ValueError(f"expected {len(state.optimisers)} optimisers")
    for values, optimiser in zip(saved["optimisers"], state.optimisers, strict=True):
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        for index, momenta in values["state"].items():
            if type(index) is not int or not 0 <= index < len(parameters):
                raise ValueError("its optimisers have other parameters")
            if momenta.keys() != _momenta(optimiser):
                raise ValueError("its optimisers keep other momenta")
            for key, tensor in momenta.items():
                _check_tensor(tensor, torch.Size() if key == "step" else parameters[index].shape, key)


def _momenta(optimiser: torch.optim.Optimizer) -> set[str]:
    return {"momentum"} if isinstance(optimiser, Muon) else {"step", "exp_avg", "exp_avg_sq"}


def _check_tensor(tensor: object, shape: torch.Size, name: str) -> None:
    if not isinstance(tensor, torch.Tensor) or tensor.shape != shape or not tensor.is_floating_point():
        raise ValueError(f"expected {name} of shape {tuple(shape)}")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} holds NaN or infinite values")


def share_state(state: TrainingState, processes: Processes) -> None:
    """Give every process the state of process 0, in place."""
    if processes.count == 1:
        return
    buffer = io.BytesIO()
    if processes.rank == 0:
        torch.save(_content(state), buffer)
    content = processes.broadcast(buffer.getvalue())
    if processes.rank > 0:
        _restore(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), state)


def _content(state: TrainingState) -> dict[str, Any]:
    return {
        "step": state.step,
        "samples": state.samples,
        "config": state.config.to_dict(),
        "model": state.model.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in state.optimisers],
    }


def _restore(saved: dict[str, Any], state: TrainingState) -> None:
    state.model.load_state_dict(saved["model"])
    state.averaged.load_state_dict(saved["averaged"])
    for optimiser, values in zip(state.optimisers, saved["optimisers"], strict=True):
        # The momenta only, and as copies: rates are those of the settings, and the file is mapped.
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": copy.deepcopy(values["state"]), "param_groups": groups})
    state.step = saved["step"]
    # A state without the count was written by a single process.
    state.samples = saved.get("samples", state.step * state.config.batch)
