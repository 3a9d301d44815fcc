"""The reference network rearranged for inference: the same function in less than half the arithmetic.

Read `perceiver.py` first. Notation: pixel n in row r and column c of the tile; x its C channels, made of features f
and of a position; m and s its mean and standard deviation over the channels (of LayerNorm, epsilon included);
LayerNorm(x) = g * (x - m) / s + b; l a latent. Wq, Wk, Wv, Wo are the maps of a cross-attention. Products of maps are
taken in float64 when the checkpoint is folded and stored in float32.

1. Positions are separable. Each position channel depends on the row alone or on the column alone, so any linear form
   w . x is  wf . f + A[r] + B[c],  where A and B are the form applied to all rows and to all columns: H + W values
   instead of H * W. With w centred (its mean over the channels subtracted), w . (x - m) = w . x.

2. Encoder scores. (Wq q + bq) . (Wk LayerNorm(x) + bk) = w . (x - m) / s + constant(l), with w = g * Wk^T (Wq q + bq).
   A constant per latent cancels in the softmax over pixels, so
       score[l, n] = (Qf[l] . f[n] + A[l, r] + B[l, c]) / s[n].
   The queries of the encoder are the checkpoint's latents: Qf, A and B are constants of the checkpoint.

3. Encoder values are never formed. With weights p[l, n] = exp(score) and G = p / s, attention needs
       sum_n p LayerNorm(x) / sum_n p  =  g * (sum_n G x - sum_n G m) / sum_n G s  +  b,
   and sum_n G x has the features' part sum_n G f and, for positions, the sums of G over each row and each column.
   One product with the F + 2 channels (f, m, s) and two sums replace it all; Wo Wv g, and the tables that turn row
   and column sums into positions, are one map, applied to N latents instead of H * W pixels.

4. Decoder scores. Pixels query, latents answer: score[n, l] = (Kf[l] . f + A[l, r] + B[l, c]) / s + k[l], where Kf,
   A, B and k are linear in the normalised latent (Wq folds into the keys). The key's bias is the same for all l and
   cancels.

5. Decoder values. Wo Wv folds into one map of the latents, its bias included, because softmax weights sum to one.
   The MLP's LayerNorm folds into its first map: W (g * (x - m) / s + b) = (centred W g) x / s + W b. Its last map and
   the output layer act one after the other, so they are one map to two channels.

6. The 3x3 patches and the linear maps behind them are a convolution, the whitening of the gated pixel network included.

Softmax numerators are summed per chunk of the tile, then over chunks (one float32 sum over 182 528 pixels would be off
by 2e-4 px). Chunks are small enough for the cache of a CPU; no pixels x latents matrix is held. Everything is channels
first: (B, channels, pixels) is what the convolution gives, and no transposition is needed up to the flow.

Products take operands of type `operands` (bfloat16 where the hardware has it); positions, LayerNorm, softmax,
residuals and the pixel network stay in float32.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from flowcli.model.config import ModelConfig
from flowcli.model.folded_decoder import FoldedWrite
from flowcli.model.folded_encoder import FoldedRead
from flowcli.model.folded_layers import FoldedFeedForward, FoldedSelfBlock
from flowcli.model.folded_pixels import FoldedPixels
from flowcli.model.folded_positions import split_positions
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
        self.read: nn.Module = FoldedRead(encoder, positions, operands)
        self.read_mlp = FoldedFeedForward(encoder.cross.mlp_norm, encoder.cross.mlp, model.config.gelu, operands)
        self.layers = nn.ModuleList(
            FoldedSelfBlock(cast(SelfBlock, x), model.config.gelu, operands) for x in encoder.layers
        )
        self.write: nn.Module = FoldedWrite(cross, model.decoder.output, positions, model.config, operands)

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
        latents = self.process(self.read_mlp(self.read(pixels, chunk)))
        return self.write(pixels, latents, chunk)


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
