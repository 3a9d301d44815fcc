"""Hugging Face's PerceiverForOpticalFlow as a method for frames of any size: on the tiles of `perceiver-io`."""

from __future__ import annotations

from collections.abc import Sequence

from flowcli.benchmark.transformers_network import build_transformers_network
from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.flow import FlowField, Pair
from flowcli.methods.perceiver import PUBLISHED_OVERLAP
from flowcli.model.features import flow_to_numpy, stack_frames
from flowcli.runtime.device import choose_device
from flowcli.runtime.tiles import TiledNetwork


class TransformersMethod:
    """The library's network with the weights of a checkpoint; see FlowMethod."""

    def __init__(self, checkpoint: str, device: str) -> None:
        """Build it.

        Args:
            checkpoint: file of a network of the published kind.
            device: as for `Estimator`.

        Raises:
            EngineError: transformers is not installed.
            InputError: the library cannot express the network.
        """
        loaded = load_checkpoint(checkpoint)
        self._device = choose_device(device)
        network = build_transformers_network(build_model(loaded).to(self._device))
        self._tiled = TiledNetwork(network, loaded.config, 1, PUBLISHED_OVERLAP, "published", None)

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Estimate the flow of pairs, tile by tile; see FlowMethod."""
        frame1, frame2 = (stack_frames(frames, self._device) for frames in zip(*pairs, strict=True))
        return [FlowField(uv) for uv in flow_to_numpy(self._tiled(frame1, frame2))]
