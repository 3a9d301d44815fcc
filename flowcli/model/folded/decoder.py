"""Folded decoder: points 4 and 5 of `folded`."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.config import ModelConfig
from flowcli.model.folded.layers import fold_norm
from flowcli.model.folded.pixels import Pixels
from flowcli.model.folded.positions import SeparablePositions
from flowcli.model.folded.products import LOG2_E, Gelu, apply_gelu, multiply, split_evenly
from flowcli.model.perceiver import CrossBlock

# Torch reduces over latents a third as fast when the pixels beside each other are no multiple of four AVX2 vectors.
COLUMNS = 32

CPU_WIDTH = 4
"""Chunks of the encoder in one of the decoder, of one tile: products of few columns are slow on a CPU."""


class Keys(NamedTuple):
    """Linear forms of the latents that a pixel's scores are made of, see point 4 of `folded`.

    Attributes:
        features: `(B, N, features)`.
        rows: `(B, N, H)`.
        columns: `(B, N, W)`.
        constant: `(B, N, 1)`.
    """

    features: Tensor
    rows: Tensor
    columns: Tensor
    constant: Tensor

    def tiles(self, chosen: slice) -> Keys:
        """Return those of some of the tiles, as views."""
        return Keys(*(part[chosen] for part in self))


class FoldedDecoder(nn.Module):
    """The flow of every pixel, from the latents."""

    keys: Tensor
    values: Tensor
    values_bias: Tensor
    rows: Tensor
    columns: Tensor
    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor

    def __init__(
        self,
        cross: CrossBlock,
        output: nn.Linear,
        positions: SeparablePositions,
        config: ModelConfig,
        operands: torch.dtype,
    ) -> None:
        super().__init__()
        self.operands, self.residual = operands, cross.residual
        self.gelu: Gelu = config.gelu
        self.latent_epsilon, self.epsilon = cross.input_norm.eps, cross.mlp_norm.eps
        self.features, self.tile, self.width = config.features, config.tile, config.pixel_channels
        attention = cross.attention
        query, query_bias = fold_norm(cross.query_norm, attention.query)  # (inner, C)
        key, _ = fold_norm(cross.input_norm, attention.key)  # (inner, D)
        scale = LOG2_E / math.sqrt(len(query))
        query = (query - query.mean(dim=1, keepdim=True)) * scale
        forms = positions.split(key.T @ query, config.features)  # (D, features), (D, H), (D, W)
        constant = key.T @ (query_bias * scale)  # (D,)
        keys = torch.cat((*forms, constant[:, None]), dim=1).T
        value, value_bias = fold_norm(cross.input_norm, attention.value)
        attention_output = attention.output.weight.detach().double()
        values_bias = attention_output @ value_bias + attention.output.bias.detach().double()
        order = positions.order(config.features)
        self.register_buffer("keys", keys.float(), persistent=False)  # (features + H + W + 1, D)
        # A last channel that is one sums the weights.
        values = F.pad((attention_output @ value)[order], (0, 0, 0, 1))
        self.register_buffer("values", values.float(), persistent=False)  # (C + 1, D)
        self.register_buffer("values_bias", F.pad(values_bias[order], (0, 1), value=1.0).float(), persistent=False)
        self.register_buffer("rows", positions.rows.T.float()[:, :, None], persistent=False)  # (R, H, 1)
        self.register_buffer("columns", positions.columns.T.float()[:, None, :], persistent=False)  # (S, 1, W)

        expand, expand_bias = fold_norm(cross.mlp_norm, cross.mlp.expand)
        final = output.weight.detach().double() * config.flow_scale  # (2, C)
        final_bias = output.bias.detach().double() * config.flow_scale
        contract = cross.mlp.contract.weight.detach().double()
        second_bias = final_bias + final @ cross.mlp.contract.bias.detach().double()
        # One map of x gives the hidden layer, the flow that bypasses it, and the mean that LayerNorm needs.
        mean = expand.new_full((1, self.width), 1 / self.width)
        first = torch.cat((expand - expand.mean(dim=1, keepdim=True), final, mean))
        self.register_buffer("first", first[:, order].to(operands), persistent=False)  # (C + 3, C)
        self.register_buffer("first_bias", expand_bias.float()[:, None], persistent=False)
        self.register_buffer("second", (final @ contract).to(operands), persistent=False)  # (2, C)
        self.register_buffer("second_bias", second_bias.float()[:, None], persistent=False)

    def forward(self, pixels: Pixels, latents: Tensor, chunk: int) -> Tensor:
        """Turn B tiles and their latents `(B, N, D)` into float32 flow `(B, 2, H, W)` in pixels."""
        batch, _, height, width = pixels.channels.shape
        count = latents.shape[1]
        flow = latents.new_empty(batch, 2, height, width)
        keys, values = self.project(latents)
        most = chunk * CPU_WIDTH if latents.device.type == "cpu" else chunk
        for tiles in split_evenly(batch, chunk // (count * height * width)):
            chosen, tile_keys = pixels.tiles(tiles), keys.tiles(tiles)
            held = count * (tiles.stop - tiles.start)
            for rows in split_evenly(height, most // (held * width)):
                for columns in split_evenly(width, most // held, COLUMNS):
                    flow[tiles, :, rows, columns] = self._decode(chosen, tile_keys, values[tiles], rows, columns)
        return flow

    def project(self, latents: Tensor) -> tuple[Keys, Tensor]:
        """Make keys and values `(B, C + 1, N)` of latents `(B, N, D)`; the last channel of the values is one."""
        normed = F.layer_norm(latents, latents.shape[-1:], eps=self.latent_epsilon)
        keys = F.linear(normed, self.keys).split((self.features, *self.tile, 1), dim=2)
        return Keys(*keys), F.linear(normed, self.values, self.values_bias).transpose(1, 2)

    def _decode(self, pixels: Pixels, keys: Keys, values: Tensor, rows: slice, columns: slice) -> Tensor:
        features = pixels.features[:, :, rows, columns]
        size = features.shape[2:]
        features = features.flatten(2)
        scores = multiply(keys.features, features, self.operands).unflatten(2, size)  # (B, N, h, w)
        scores += keys.rows[:, :, rows, None]
        scores += keys.columns[:, :, None, columns]
        torch.addcmul(keys.constant[..., None], scores, pixels.inverse[:, :, rows, columns], out=scores)
        weights = scores.sub_(scores.amax(dim=1, keepdim=True)).exp2_().flatten(2)
        gathered = multiply(values, weights, self.operands)  # (B, C + 1, h*w)
        x = gathered[:, :-1].div_(gathered[:, -1:])
        if self.residual:
            x[:, : self.features] += features
            position = x[:, self.features :].unflatten(2, size)
            position[:, : len(self.rows)] += self.rows[:, rows]
            position[:, len(self.rows) :] += self.columns[:, :, columns]
        hidden, direct, mean = multiply(self.first, x, self.operands).split((self.width, 2, 1), dim=1)
        power = x.square_().mean(dim=1, keepdim=True)
        inverse = power.sub_(mean.square()).add_(self.epsilon).rsqrt_()
        hidden = apply_gelu(torch.addcmul(self.first_bias, hidden, inverse), self.gelu)
        return multiply(self.second, hidden, self.operands).add_(direct).add_(self.second_bias).unflatten(2, size)
