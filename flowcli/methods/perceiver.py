"""A Perceiver IO network of whole motions at one scale, in tiles: the method of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from flowcli.checkpoints import Checkpoint
from flowcli.flow import FlowField, Pair
from flowcli.methods.footprint import of_tiles
from flowcli.methods.network import PlacedNetwork, place_network
from flowcli.model.features import flow_to_numpy, stack_frames
from flowcli.options import EstimatorOptions
from flowcli.runtime.ceiling import Footprint

PUBLISHED_OVERLAP = 20
"""Pixels; DeepMind's colab cuts tiles with it."""


class PerceiverMethod:
    """One scale: the network sees every tile of both frames once.

    Attributes:
        network: where and how it runs.
        settings: what determines the flow, plain JSON values.
        pairs_at_once: how many pairs fill the device.
    """

    def __init__(self, network: PlacedNetwork) -> None:
        self.network, self.settings = network, network.settings
        self.pairs_at_once = network.pairs_at_once

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Estimate the flow of pairs; see FlowMethod."""
        frame1, frame2 = (stack_frames(frames, self.network.device) for frames in zip(*pairs, strict=True))
        return [FlowField(uv) for uv in flow_to_numpy(self.network.tiled(frame1, frame2))]

    def footprint(self, size: tuple[int, int], both: bool) -> Footprint | None:
        """Return the memory that a pair takes on a CPU; see FlowMethod."""
        network = self.network
        if network.device.type != "cpu":
            return None
        return of_tiles(size, both, network.workers.count, network.bytes_per_worker)

    def limit_workers(self, most: int | None) -> None:
        """Let at most so many threads work at the same time; None: all."""
        self.network.workers.limit(most)

    def close(self) -> None:
        """End the threads."""
        self.network.workers.close()


def build(options: EstimatorOptions, checkpoint: Checkpoint) -> PerceiverMethod:
    """Build the method; see `flowcli.methods.build_method`."""
    return PerceiverMethod(
        place_network(checkpoint, options, overlap=PUBLISHED_OVERLAP, grid="published", capped=False)
    )
