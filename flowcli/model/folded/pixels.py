"""Folded pixels: 3x3 patches, whitening and linear maps as one convolution; the statistics of LayerNorm."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.folded.positions import SeparablePositions
from flowcli.model.folded.products import split_evenly
from flowcli.model.perceiver import GatedPixels, LinearPixels


class Pixels(NamedTuple):
    """What the attentions need to know of the pixels of B tiles.

    Attributes:
        channels: float32 `(B, features + 2, H, W)`: features, then mean and standard deviation over all C channels of
            the pixel, position included (what LayerNorm subtracts and divides by).
        inverse: float32 `(B, 1, H, W)`: one over the standard deviation.
    """

    channels: Tensor
    inverse: Tensor

    @property
    def features(self) -> Tensor:
        """`(B, features, H, W)`, a view."""
        return self.channels[:, :-2]

    def tiles(self, chosen: slice) -> Pixels:
        """Return some of the tiles, as views."""
        return Pixels(self.channels[chosen], self.inverse[chosen])


class FoldedPixels(nn.Module):
    """Frames to features and their statistics; both pixel networks."""

    convolution: Tensor
    convolution_bias: Tensor
    mix: Tensor
    position_sums: Tensor

    def __init__(self, pixels: LinearPixels | GatedPixels, positions: SeparablePositions, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.position_width = positions.rows.shape[1] + positions.columns.shape[1]
        if isinstance(pixels, GatedPixels):
            self.products = pixels.mix.in_features
            self.features = pixels.mix.out_features
            maps = torch.cat([x.weight.double() for x in (pixels.left, pixels.right, pixels.skip)])
            maps = maps @ pixels.whitening_matrix.double().T
            bias = torch.cat([x.bias.double() for x in (pixels.left, pixels.right, pixels.mix)])
            bias = bias - maps @ pixels.whitening_mean.double()
            mix = pixels.mix.weight
        else:
            self.products, self.features = 0, pixels.linear.out_features
            maps, bias, mix = pixels.linear.weight.double(), pixels.linear.bias.double(), torch.empty(0)
        # Patch channel t*27 + (row*3 + column)*3 + colour to convolution channel t*3 + colour at (row, column).
        kernels = maps.view(-1, 2, 3, 3, 3).permute(0, 1, 4, 2, 3).flatten(1, 2)
        self.register_buffer("convolution", kernels.detach().float().contiguous(), persistent=False)
        self.register_buffer("convolution_bias", bias.detach().float(), persistent=False)
        self.register_buffer("mix", mix.detach().float().clone(), persistent=False)
        sums = torch.stack(
            [
                positions.rows.pow(power).sum(dim=1)[:, None] + positions.columns.pow(power).sum(dim=1)
                for power in (1, 2)
            ]
        )
        self.register_buffer("position_sums", sums.float(), persistent=False)  # (2, H, W)

    def forward(self, frame1: Tensor, frame2: Tensor, chunk: int) -> Pixels:
        """Turn two `(B, 3, H, W)` in [-1, 1] into `Pixels`; a few rows of few tiles are convolved at a time."""
        batch, _, height, width = frame1.shape
        channels = frame1.new_empty(batch, self.features + 2, height, width)
        inverse = frame1.new_empty(batch, 1, height, width)
        padded = F.pad(torch.cat((frame1, frame2), dim=1), (1, 1, 1, 1))
        maps = len(self.convolution)
        for tiles in split_evenly(batch, chunk // (maps * height * width)):
            for rows in split_evenly(height, chunk // (maps * width * (tiles.stop - tiles.start))):
                responses = F.conv2d(
                    padded[tiles, :, rows.start : rows.stop + 2], self.convolution, self.convolution_bias
                )
                self._fill(responses, self.position_sums[:, rows], channels[tiles, :, rows], inverse[tiles, :, rows])
        return Pixels(channels, inverse)

    def _fill(self, responses: Tensor, position_sums: Tensor, channels: Tensor, inverse: Tensor) -> None:
        features = self._gate(responses) if self.products else responses
        channels[:, :-2] = features
        count = self.features + self.position_width
        mean = (features.sum(dim=1) + position_sums[0]).div_(count)
        variance = (features.square().sum(dim=1) + position_sums[1]).div_(count).sub_(mean.square())
        deviation = variance.add_(self.epsilon).sqrt_()
        channels[:, -2], channels[:, -1] = mean, deviation
        torch.reciprocal(deviation[:, None], out=inverse)

    def _gate(self, responses: Tensor) -> Tensor:
        size = responses.shape[2:]
        responses = responses.flatten(2)
        left, right, skip = responses.split((self.products, self.products, self.features), dim=1)
        mixed = torch.baddbmm(skip, self.mix.expand(len(skip), -1, -1), left.mul_(right))
        scale = mixed.square().mean(dim=1, keepdim=True).add_(1).rsqrt_()
        return mixed.mul_(scale).unflatten(2, size)
