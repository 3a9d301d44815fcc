"""The coarse network: a Perceiver IO over a whole small frame that decides where an estimate starts.

Its input array is every second pixel of the matched level: the 54 patch values of frame 1 and of frame 2 warped by the
first candidate, further evidence about the candidates (`coarse_to_fine/candidates.py`), and the position. The queries
are the same tokens. It writes weights over the candidate flows, a residual, and how far its answer may be off.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.config import PATCH_VALUES, ModelConfig
from flowcli.model.features import extract_patches
from flowcli.model.perceiver import GatedPixels, PerceiverDecoder, PerceiverEncoder

FIRST_WEIGHTS = 3.0, 1.0, -1.0
"""Logits of the candidates before training: the match, its rigid continuation, no motion."""

LOGIT_SCALE = 5.0
"""Logits per unit of the last layer: its weights start at zero and move slowly."""


class Answer(NamedTuple):
    """What the network says about the tokens of `(B, 3, H, W)` frames; h, w = H, W divided by the stride.

    Attributes:
        weights: of the candidates, float32 `(B, K, h, w)`, summing to 1.
        residual: float32 `(B, 2, h, w)` in pixels of the frames.
        scale: float32 `(B, 1, h, w)`: expected length of the answer's error in pixels.
    """

    weights: Tensor
    residual: Tensor
    scale: Tensor

    def flow(self, candidates: Tensor) -> Tensor:
        """Weigh candidates `(B, K, 2, H, W)` and add the residual: `(B, 2, H, W)`."""
        size = candidates.shape[-2:]
        weights = F.interpolate(self.weights, size, mode="bilinear")
        return (weights[:, :, None] * candidates).sum(1) + F.interpolate(self.residual, size, mode="bilinear")


@lru_cache(maxsize=16)
def relative_positions(height: int, width: int, config: ModelConfig) -> Tensor:
    """Fourier positions of a grid of any size, float32 `(height * width, C)`.

    Coordinates run from -1 to 1 along both axes whatever the size, and the frequencies are those of the configured
    tile: so the homes of the latents spread over any frame. Where a pixel truly is, is among the evidence.
    """
    rows, columns = (side // config.stride / 2 for side in config.tile)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    along_y = y[..., None] * torch.linspace(1, rows, config.position_bands) * math.pi
    along_x = x[..., None] * torch.linspace(1, columns, config.position_bands) * math.pi
    angles = torch.cat((along_y, along_x), dim=-1)
    return torch.cat((y[..., None], x[..., None], angles.sin(), angles.cos()), dim=-1).flatten(0, 1)


class CoarseFlow(nn.Module):
    """The coarse network of a configuration with candidates."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.pixels = GatedPixels(config.features, config.pixel_width, PATCH_VALUES + config.evidence)
        self.encoder = PerceiverEncoder(
            config.pixel_channels, config.latents, config.latent_width, config.layers, config.heads, config.gelu
        )
        self.decoder = PerceiverDecoder(
            config.pixel_channels,
            config.latent_width,
            config.decoder_width or config.latent_width,
            outputs=config.candidates + 3,
            residual=config.query_residual,
            gelu=config.gelu,
        )
        if not self.decoder.output.bias.is_meta:
            # The match is taken nearly as it is until something is learned.
            with torch.no_grad():
                self.decoder.output.bias[: len(FIRST_WEIGHTS)] = torch.tensor(FIRST_WEIGHTS) / LOGIT_SCALE

    def forward(self, frame1: Tensor, warped: Tensor, evidence: Tensor) -> Answer:
        """Read a frame, warped frame and evidence; write the answer for every token.

        Args:
            frame1: float `(B, 3, H, W)` in [-1, 1]; sides that the stride divides.
            warped: frame 2, brought to frame 1 by the first candidate; the same shape.
            evidence: float `(B, evidence, H, W)`.
        """
        values = self.values(frame1, warped, evidence)
        size = (frame1.shape[2] // self.config.stride, frame1.shape[3] // self.config.stride)
        # Never in bfloat16: motion is in differences of 1/256 and less between the frames.
        with torch.autocast(frame1.device.type, enabled=False):
            features = self.pixels(values)
        positions = relative_positions(*size, self.config).to(features).expand(len(features), -1, -1)
        tokens = torch.cat((features, positions), dim=-1)
        written = self.decoder(tokens, self.encoder(tokens)).float().transpose(1, 2).unflatten(2, size)
        weights, residual, scale = written.split((self.config.candidates, 2, 1), dim=1)
        return Answer((weights * LOGIT_SCALE).softmax(1), residual * self.config.flow_scale, scale.clamp(-4, 5).exp())

    def values(self, frame1: Tensor, warped: Tensor, evidence: Tensor) -> Tensor:
        """What the pixel network is given: `(B, tokens, 54 + evidence)`."""
        step = self.config.stride
        first = (step - 1) // 2
        patches = extract_patches(frame1, warped).unflatten(1, (frame1.shape[2], frame1.shape[3]))
        averaged = F.avg_pool2d(evidence, step).permute(0, 2, 3, 1)
        return torch.cat((patches[:, first::step, first::step], averaged), dim=-1).flatten(1, 2)
