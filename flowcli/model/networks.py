"""Which network a configuration describes."""

from __future__ import annotations

from flowcli.model.coarse import CoarseFlow
from flowcli.model.config import ModelConfig
from flowcli.model.perceiver import PerceiverFlow

Network = PerceiverFlow | CoarseFlow


def make_network(config: ModelConfig) -> Network:
    """Return the network with untrained weights: the coarse one if it has candidates."""
    return CoarseFlow(config) if config.candidates else PerceiverFlow(config)
