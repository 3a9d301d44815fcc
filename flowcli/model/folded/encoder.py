"""Folded encoder cross-attention: points 1 to 3 of `folded`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.folded.layers import fold_norm
from flowcli.model.folded.pixels import Pixels
from flowcli.model.folded.positions import SeparablePositions
from flowcli.model.folded.products import LOG2_E, multiply, split_evenly
from flowcli.model.perceiver import PerceiverEncoder


class FoldedEncoder(nn.Module):
    """The latents of a checkpoint read from pixels."""

    features: Tensor
    rows: Tensor
    columns: Tensor
    output: Tensor
    start: Tensor

    def __init__(self, encoder: PerceiverEncoder, positions: SeparablePositions, operands: torch.dtype) -> None:
        super().__init__()
        self.operands = operands
        cross, attention = encoder.cross, encoder.cross.attention
        latents = encoder.latents.detach().double()
        normed = F.layer_norm(latents, latents.shape[-1:], eps=cross.query_norm.eps)
        weight, bias = fold_norm(cross.query_norm, attention.query)
        key, _ = fold_norm(cross.input_norm, attention.key)  # (inner, C)
        form = (normed @ weight.T + bias) @ key * (LOG2_E / math.sqrt(len(key)))  # (N, C)
        form -= form.mean(dim=1, keepdim=True)
        count = form.shape[1] - positions.rows.shape[1] - positions.columns.shape[1]
        features, rows, columns = positions.split(form, count)
        value, value_bias = fold_norm(cross.input_norm, attention.value)
        output = attention.output.weight.detach().double()
        whole = output @ value  # (D, C)
        # Rows: features, mean, every row, every column.
        parts = positions.split(whole, count)
        gather = torch.cat((parts[0], -whole.sum(dim=1, keepdim=True), parts[1], parts[2]), dim=1)
        start = latents + output @ value_bias + attention.output.bias.detach().double()
        self.register_buffer("features", features.to(operands), persistent=False)  # (N, features)
        self.register_buffer("rows", rows.float()[:, :, None], persistent=False)  # (N, H, 1)
        self.register_buffer("columns", columns.float()[:, None, :], persistent=False)  # (N, 1, W)
        self.register_buffer("output", gather.float(), persistent=False)  # (D, features + 1 + H + W)
        self.register_buffer("start", start.float(), persistent=False)  # (N, D)

    def forward(self, pixels: Pixels, chunk: int) -> Tensor:
        """Read B tiles: `(B, N, D)`, the query residual included, the feed-forward not."""
        batch, _, height, width = pixels.channels.shape
        latents = len(self.features)
        gathered = pixels.channels.new_empty(batch, latents, self.output.shape[1])
        for tiles in split_evenly(batch, chunk // (latents * height * width)):
            for block in split_evenly(latents, chunk // width):
                gathered[tiles, block] = self._sum(pixels.tiles(tiles), block, chunk)
        return F.linear(gathered, self.output).add_(self.start)

    def _sum(self, pixels: Pixels, block: slice, chunk: int) -> Tensor:
        """Sum up, over the sum of weights, what `output` maps: `(B, some latents, features + 1 + H + W)`."""
        batch, _, height, width = pixels.channels.shape
        count = block.stop - block.start
        log_inverse = pixels.inverse.log2()
        peak = pixels.channels.new_full((batch, count, 1), -torch.inf)
        totals = pixels.channels.new_zeros(batch, count, pixels.channels.shape[1])
        column_sums = pixels.channels.new_zeros(batch, count, width)
        row_sums: list[tuple[Tensor, Tensor]] = []
        for rows in split_evenly(height, chunk // (batch * count * width)):
            channels = pixels.channels[:, :, rows].flatten(2)
            scores = multiply(self.features[block], channels[:, :-2], self.operands).unflatten(2, (-1, width))
            scores += self.rows[block, rows]
            scores += self.columns[block]
            torch.addcmul(log_inverse[:, :, rows], scores, pixels.inverse[:, :, rows], out=scores)
            higher = torch.maximum(peak, scores.flatten(2).amax(dim=2, keepdim=True))
            weights = scores.sub_(higher[..., None]).exp2_()  # G of point 3, up to a factor per latent
            fade = (peak - higher).exp2_()
            part = multiply(channels, weights.flatten(2).transpose(1, 2), self.operands).transpose(1, 2)
            totals = torch.addcmul(part, totals, fade)
            part = weights.sum(dim=2) if weights.shape[2] > 1 else weights[:, :, 0]
            column_sums = torch.addcmul(part, column_sums, fade)
            row_sums.append((weights.sum(dim=3), higher))
            peak = higher
        rows = [sums.mul_((then - peak).exp2_()) for sums, then in row_sums]
        return torch.cat((totals[..., :-1], *rows, column_sums), dim=2).div_(totals[..., -1:])
