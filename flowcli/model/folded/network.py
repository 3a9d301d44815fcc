"""The folded network as a whole: pixels, encoder, latent layers, decoder."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from flowcli.model.config import ModelConfig
from flowcli.model.folded.decoder import FoldedDecoder
from flowcli.model.folded.encoder import FoldedEncoder
from flowcli.model.folded.layers import FoldedFeedForward, FoldedSelfBlock
from flowcli.model.folded.pixels import FoldedPixels
from flowcli.model.folded.positions import split_positions
from flowcli.model.perceiver import PerceiverFlow, SelfBlock

# Scores held at once. On a CPU one chunk of the encoder, and what is made of it, must fit into a core's cache of about
# 1 MiB; the decoder takes wider ones (CPU_WIDTH).
CPU_CHUNK = 2**18
GPU_CHUNK = 2**28

# Latents processed at once on a CPU: enough rows for its matrix products, few enough for its cache.
CPU_LATENTS = 512
GPU_TILES = 64


class FoldedFlow(nn.Module):
    """Frame pair -> flow, as `PerceiverFlow` computes it. Made by `fold`; holds constants, nothing to train.

    Args:
        model: the reference network.
        operands: type of the operands of the large products, float32 or bfloat16.
        chunk: scores held at once; None: what suits the device.
    """

    def __init__(self, model: PerceiverFlow, operands: torch.dtype, chunk: int | None) -> None:
        super().__init__()
        self.config: ModelConfig = model.config
        self.chunk = chunk
        positions = split_positions(model.positions, model.config.tile)
        encoder, cross = model.encoder, model.decoder.cross
        self.pixels = FoldedPixels(model.pixels, positions, encoder.cross.input_norm.eps)
        self.encoder: nn.Module = FoldedEncoder(encoder, positions, operands)
        self.encoder_mlp = FoldedFeedForward(encoder.cross.mlp_norm, encoder.cross.mlp, model.config.gelu, operands)
        self.layers = nn.ModuleList(
            FoldedSelfBlock(cast(SelfBlock, x), model.config.gelu, operands) for x in encoder.layers
        )
        self.decoder: nn.Module = FoldedDecoder(cross, model.decoder.output, positions, model.config, operands)

    @torch.no_grad()
    def forward(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        """Estimate the flow of a batch of tiles; arguments, result and errors as `PerceiverFlow.forward`.

        Without gradients. A CPU works through the batch in small groups, so its memory does not grow with the batch.
        """
        if frame1.shape != frame2.shape or frame1.shape[1:] != (3, *self.config.tile):
            expected = ("B", 3, *self.config.tile)
            raise ValueError(f"expected two frames of {expected}, got {(*frame1.shape,)} and {(*frame2.shape,)}")
        chunk = self.scores_at_once(frame1.device)
        tiles = self.tiles_at_once(frame1.device)
        parts = [self._run(*part, chunk) for part in zip(frame1.split(tiles), frame2.split(tiles), strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def scores_at_once(self, device: torch.device) -> int:
        """Return how many scores are held at once on a device."""
        return self.chunk or (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK)

    def tiles_at_once(self, device: torch.device) -> int:
        """Return how many tiles a device works on at once."""
        return max(1, CPU_LATENTS // self.config.latents) if device.type == "cpu" else GPU_TILES

    def process(self, latents: Tensor) -> Tensor:
        """Run the latent layers: `(B, N, D)` to the same shape."""
        for layer in self.layers:
            latents = layer(latents)
        return latents

    def _run(self, frame1: Tensor, frame2: Tensor, chunk: int) -> Tensor:
        pixels = self.pixels(frame1, frame2, chunk)
        latents = self.process(self.encoder_mlp(self.encoder(pixels, chunk)))
        return self.decoder(pixels, latents, chunk)


def fold(model: PerceiverFlow, operands: torch.dtype = torch.float32, chunk: int | None = None) -> FoldedFlow:
    """Rearrange a network for inference; within rounding (1e-4 px) the same function as `model`.

    Args:
        model: the reference network; not changed, and not needed afterwards.
        operands: type of the operands of the large products: torch.float32, or torch.bfloat16 on hardware that has it.
        chunk: scores held at once, at least; None: what suits the device. One row of the tile is the smallest unit.

    Returns:
        A module on the device of `model`.

    Raises:
        ValueError: if the network's positions are not separable.
    """
    device = model.positions.device
    # Not every device has float64.
    source = model if device.type == "cpu" else copy.deepcopy(model).cpu()
    return FoldedFlow(source, operands, chunk).to(device).eval()
