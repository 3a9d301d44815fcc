"""Weights without training, for a network whose own are not at hand: what it costs does not depend on them."""

from __future__ import annotations

import torch

from flowcli.model.config import ModelConfig
from flowcli.model.perceiver import PerceiverFlow


def make_random_network(config: ModelConfig, seed: int = 0) -> PerceiverFlow:
    """Build a network of random weights: nothing in it is zero, and its flow is of about a pixel."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in PerceiverFlow(config).state_dict().items()}
    tensors: dict[str, torch.Tensor] = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("norm.weight"):
            tensors[name] = 1 + 0.3 * noise
        elif len(shape) == 2 and name != "encoder.latents":
            # Keeps the size of its input; attention is made to choose.
            gain = 2 if name.endswith(("query.weight", "key.weight")) else 1
            tensors[name] = gain * noise / shape[1] ** 0.5
        else:
            tensors[name] = 0.3 * noise
    tensors["decoder.output.weight"] /= config.flow_scale
    network = PerceiverFlow(config)
    network.load_state_dict(tensors)
    return network.eval()
