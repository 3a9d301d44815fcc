"""A network at rest: its configuration and its tensors, and the step from there to a module that runs.

Tensors carry the names of `PerceiverFlow.state_dict()`, whatever file they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flowcli.checkpoints.digest import compute_sha256
from flowcli.errors import WeightsError
from flowcli.model.coarse import CoarseFlow
from flowcli.model.config import ModelConfig
from flowcli.model.networks import Network, make_network
from flowcli.model.perceiver import PerceiverFlow, fourier_positions


@dataclass(frozen=True)
class Checkpoint:
    """One file of weights, read and checked.

    Attributes:
        config: the network's shape.
        tensors: float32 on the CPU, by canonical name; exactly those that `PerceiverFlow(config)` needs.
        metadata: what the file says about itself, such as its recipe and measured error; may be empty.
        path: the file it came from.
        shards: the files with the tensors, if `path` is an index of them.
    """

    config: ModelConfig
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    path: Path
    shards: tuple[Path, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Digest of the file, and of its shards after it, read on first use."""
        return compute_sha256(self.path, after=self.shards)


def make_untrained(config: ModelConfig) -> Checkpoint:
    """Return weights that have learned nothing, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tensors = make_network(config).state_dict()
    checkpoint = Checkpoint(config, tensors, {}, Path("untrained"))
    # There is no file to take a digest of.
    vars(checkpoint)["sha256"] = "untrained"
    return checkpoint


def build_model(checkpoint: Checkpoint) -> PerceiverFlow:
    """Assemble the network on the CPU in eval mode.

    Its parameters are the checkpoint's tensors themselves, not copies: training the network changes them.

    Raises:
        WeightsError: it is a coarse network, which estimates nothing by itself.
    """
    config = checkpoint.config
    model = _assemble(checkpoint)
    if not isinstance(model, PerceiverFlow):
        raise WeightsError(f"{checkpoint.path}: expected a network of flow, found one that only starts an estimate")
    # The meta device gave it a shape only.
    model.positions = fourier_positions(*config.tile, config.position_bands, config.position_nyquist)
    return model


def build_coarse(checkpoint: Checkpoint) -> CoarseFlow:
    """Assemble a coarse network; see `build_model`.

    Raises:
        WeightsError: it is another one.
    """
    model = _assemble(checkpoint)
    if not isinstance(model, CoarseFlow):
        raise WeightsError(f"{checkpoint.path}: expected a network that starts an estimate, found another one")
    return model


def _assemble(checkpoint: Checkpoint) -> Network:
    model = _make_blank(checkpoint.config)
    model.load_state_dict(checkpoint.tensors, strict=True, assign=True)
    return model.eval()


@lru_cache(maxsize=4)
def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name every tensor of `PerceiverFlow(config)` with its shape."""
    return {name: tuple(tensor.shape) for name, tensor in _make_blank(config).state_dict().items()}


def _make_blank(config: ModelConfig) -> Network:
    # No memory and no random numbers for values that are replaced at once.
    with torch.device("meta"), _WithoutInitialisation():
        return make_network(config)


class _WithoutInitialisation(TorchFunctionMode):
    """Draws no random numbers for new modules: that takes time on the meta device too."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Do what torch asks for, but for the functions of `torch.nn.init`, which return the tensor they are given."""
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def check_shapes(found: Mapping[str, tuple[int, ...]], config: ModelConfig, path: Path) -> None:
    """Raise WeightsError, naming the tensor, unless `found` are exactly the tensors of `PerceiverFlow(config)`."""
    expected = expected_shapes(config)
    if missing := sorted(expected.keys() - found.keys()):
        raise WeightsError(f"{path}: tensor {missing[0]} is missing{_and_others(missing)}; the file is not complete")
    if extra := sorted(found.keys() - expected.keys()):
        raise WeightsError(f"{path}: tensor {extra[0]!r:.100} has no place in the network{_and_others(extra)}")
    for name, shape in expected.items():
        if tuple(found[name]) != shape:
            raise WeightsError(f"{path}: expected tensor {name} of shape {shape}, found {tuple(found[name])}")


def check_values(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise WeightsError, naming the tensor, if a value is NaN or infinite."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: tensor {name} holds NaN or infinite values; the weights are damaged")


def _and_others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
