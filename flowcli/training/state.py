"""The state of a training run, in one file of plain tensors."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from flowcli.errors import WeightsError
from flowcli.model.networks import Network
from flowcli.training.config import TrainingConfig
from flowcli.training.distributed import Processes


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
    """Write the state to `path`, whole or not at all."""
    temporary = path.with_suffix(".partial")
    torch.save(_content(state), temporary)
    temporary.replace(path)


def load_settings(path: Path) -> dict[str, object]:
    """Return the settings that the run of a state had last; WeightsError when the file is absent or no state."""
    return _load(path)["config"]


def load_state(path: Path, state: TrainingState) -> None:
    """Read `path` into `state`, in place; WeightsError when it is absent or of another network."""
    saved = _load(path)
    try:
        _restore(saved, state)
    except RuntimeError:
        raise WeightsError(
            f"{path} holds the state of another network; resume with the settings it began with"
        ) from None


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"expected a training state at {path}, found none; start without --resume")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends early"
        raise WeightsError(f"expected a training state at {path}, found something else: {reason}") from None
    if not isinstance(saved, dict) or not {"step", "config", "model"} <= saved.keys():
        raise WeightsError(f"expected a training state at {path}, found a file of something else")
    return saved


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
        optimiser.load_state_dict(values)
    state.step = saved["step"]
    # A state without the count was written by a single process.
    state.samples = saved.get("samples", state.step * state.config.batch)
