"""The Perceiver IO network for optical flow, small parts first; read top to bottom.

Jaegle et al. 2021, "Perceiver IO: A General Architecture for Structured Inputs & Outputs", figure 2 and section 4.3:
an input array (M x C) is read into a latent array (N x D) by cross-attention, the latents are processed by
self-attention, and an output array is written by cross-attention from one query per output (O x E).
This is the reference: right and readable. The same function rearranged for speed must agree with it.

Letters in shape comments: B batch, M inputs, N latents, O output queries, C/D/E their channels, H W the tile.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.config import PATCH_VALUES, ModelConfig
from flowcli.model.features import extract_patches

# Scores held at once, per call of `attend`: the pixels x latents matrix of the published network has 374 million.
MAX_SCORES = 2**25


def fourier_positions(height: int, width: int, bands: int, nyquist: float = 1.0) -> Tensor:
    """Compute the Fourier position of every pixel of a tile (section 3.2 of the paper's supplement).

    Frequencies run linearly from 1 to `nyquist` times half the tile's side (its Nyquist frequency). Built in float32:
    arguments reach `pi * side / 2`, beyond what half precision can hold.

    Returns:
        float32 `(H*W, 2 + 4*bands)`: y, x, then sines of y and of x, then cosines of y and of x.
    """
    if torch.empty(0).is_meta:
        # Under `torch.device("meta")` only shapes count; linspace and sine would make torch import sympy there (2 s).
        return torch.empty(height * width, 2 + 4 * bands)
    y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    angles_y = y[:, None] * torch.linspace(1, nyquist * height / 2, bands) * math.pi  # (H, bands)
    angles_x = x[:, None] * torch.linspace(1, nyquist * width / 2, bands) * math.pi  # (W, bands)
    # Filled in place: the table of the published network has 188 MB, and nothing of that size stands beside it.
    positions = torch.empty(height, width, 2 + 4 * bands)
    for parts, axis in (
        ((y[:, None], angles_y.sin(), angles_y.cos()), 0),
        ((x[:, None], angles_x.sin(), angles_x.cos()), 1),
    ):
        starts = axis, 2 + axis * bands, 2 + (2 + axis) * bands
        for part, start in zip(parts, starts, strict=True):
            positions[..., start : start + part.shape[1]] = part.unsqueeze(1 - axis)
    return positions.flatten(0, 1)


class LinearPixels(nn.Module):
    """The published pixel network: one linear map of the 54 patch values."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(PATCH_VALUES, features)

    def forward(self, patches: Tensor) -> Tensor:
        """Map `(B, M, 54)` to `(B, M, features)`."""
        return self.linear(patches)


class GatedPixels(nn.Module):
    """The compact pixel network: whitening, then products of two linear maps, then a bound on the result.

    The 54 values of a pixel are nearly one number (the local brightness); whitening, fixed from data before training,
    lifts the faint differences in which motion lives. Motion is a ratio of products of temporal and spatial differences
    (Lucas and Kanade 1981), hence the products. The bound keeps strong edges from drowning the position beside them in
    the LayerNorm that follows.
    """

    whitening_mean: Tensor
    whitening_matrix: Tensor

    def __init__(self, features: int, products: int, values: int = PATCH_VALUES) -> None:
        super().__init__()
        self.register_buffer("whitening_mean", torch.zeros(values))
        # The identity; torch.eye on the meta device would make torch import sympy (2 s).
        self.register_buffer("whitening_matrix", torch.zeros(values, values).fill_diagonal_(1))
        self.left = nn.Linear(values, products)
        self.right = nn.Linear(values, products)
        self.skip = nn.Linear(values, features, bias=False)
        self.mix = nn.Linear(products, features)

    def forward(self, patches: Tensor) -> Tensor:
        """Map `(B, M, values)`, 54 or more, to `(B, M, features)` with a root mean square below 1 per pixel."""
        white = (patches - self.whitening_mean) @ self.whitening_matrix
        features = self.mix(self.left(white) * self.right(white)) + self.skip(white)
        return features * torch.rsqrt(1 + features.float().square().mean(dim=-1, keepdim=True)).to(features.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention that never holds more than MAX_SCORES scores.

    Queries are independent, so a chunk of them gives exactly the rows of the whole.

    Args:
        query: `(B, heads, O, channels)`.
        key: `(B, heads, M, channels)`.
        value: `(B, heads, M, channels)`.

    Returns:
        `(B, heads, O, channels)`.
    """
    batch, heads, inputs = key.shape[:3]
    rows = max(1, MAX_SCORES // (batch * heads * inputs))
    chunks = [F.scaled_dot_product_attention(part, key, value) for part in query.split(rows, dim=2)]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=2)


class Attention(nn.Module):
    """Multi-head attention with linear maps before and after; every map has a bias."""

    def __init__(self, query_width: int, input_width: int, inner_width: int, output_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(query_width, inner_width)
        self.key = nn.Linear(input_width, inner_width)
        self.value = nn.Linear(input_width, inner_width)
        self.output = nn.Linear(inner_width, output_width)

    def forward(self, query: Tensor, inputs: Tensor) -> Tensor:
        """Let `(B, O, E)` read from `(B, M, C)`; `(B, O, output_width)`."""
        heads = (self._split(self.query(query)), self._split(self.key(inputs)), self._split(self.value(inputs)))
        return self.output(attend(*heads).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, rows, channels per head)


class FeedForward(nn.Module):
    """Linear, GELU, linear, of constant width (widening 1 in the published network)."""

    def __init__(self, width: int, gelu: Literal["tanh", "erf"]) -> None:
        super().__init__()
        self.expand = nn.Linear(width, width)
        self.contract = nn.Linear(width, width)
        self.activation = partial(F.gelu, approximate="tanh" if gelu == "tanh" else "none")

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., width)` to the same shape."""
        return self.contract(self.activation(self.expand(x)))


class CrossBlock(nn.Module):
    """Queries read from inputs: one attention and one feed-forward, each after a LayerNorm.

    Queries, keys and values have `inner_width` channels; for the published network that is the width of the inputs.
    """

    def __init__(
        self, query_width: int, input_width: int, inner_width: int, residual: bool, gelu: Literal["tanh", "erf"]
    ) -> None:
        super().__init__()
        self.residual = residual
        self.query_norm = nn.LayerNorm(query_width)
        self.input_norm = nn.LayerNorm(input_width)
        self.attention = Attention(query_width, input_width, inner_width, query_width, heads=1)
        self.mlp_norm = nn.LayerNorm(query_width)
        self.mlp = FeedForward(query_width, gelu)

    def forward(self, query: Tensor, inputs: Tensor) -> Tensor:
        """Let `(B, O, E)` read from `(B, M, C)`; `(B, O, E)`."""
        x = self.attention(self.query_norm(query), self.input_norm(inputs))
        if self.residual:
            x = query + x
        return x + self.mlp(self.mlp_norm(x))


class SelfBlock(nn.Module):
    """One latent layer: the latents read from themselves."""

    def __init__(self, width: int, heads: int, gelu: Literal["tanh", "erf"]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, width, width, width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = FeedForward(width, gelu)

    def forward(self, latents: Tensor) -> Tensor:
        """Map `(B, N, D)` to the same shape."""
        normed = self.norm(latents)
        latents = latents + self.attention(normed, normed)
        return latents + self.mlp(self.mlp_norm(latents))


class PerceiverEncoder(nn.Module):
    """Read and process: any input array `(B, M, C)` into `(B, N, D)` latents."""

    def __init__(
        self, input_width: int, latents: int, width: int, layers: int, heads: int, gelu: Literal["tanh", "erf"]
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(nn.init.trunc_normal_(torch.empty(latents, width), std=0.02))
        self.cross = CrossBlock(width, input_width, inner_width=input_width, residual=True, gelu=gelu)
        self.layers = nn.ModuleList(SelfBlock(width, heads, gelu) for _ in range(layers))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map `(B, M, C)` to `(B, N, D)`."""
        latents = self.latents.expand(inputs.shape[0], -1, -1)
        latents = self.cross(latents, inputs)
        for layer in self.layers:
            latents = layer(latents)
        return latents


class PerceiverDecoder(nn.Module):
    """Write: any query array `(B, O, E)`, learned, positional or a function of the input, into `(B, O, outputs)`."""

    def __init__(
        self,
        query_width: int,
        latent_width: int,
        inner_width: int,
        outputs: int,
        residual: bool,
        gelu: Literal["tanh", "erf"],
    ) -> None:
        super().__init__()
        self.cross = CrossBlock(query_width, latent_width, inner_width, residual, gelu)
        self.output = nn.Linear(query_width, outputs)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, queries: Tensor, latents: Tensor) -> Tensor:
        """Map `(B, O, E)` and `(B, N, D)` to `(B, O, outputs)`."""
        return self.output(self.cross(queries, latents))


class PerceiverFlow(nn.Module):
    """Frame pair -> flow: pixels are input array and output queries alike."""

    positions: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        if config.pixel_network == "gated":
            self.pixels = GatedPixels(config.features, config.pixel_width)
        else:
            self.pixels = LinearPixels(config.features)
        self.encoder = PerceiverEncoder(
            config.pixel_channels, config.latents, config.latent_width, config.layers, config.heads, config.gelu
        )
        self.decoder = PerceiverDecoder(
            config.pixel_channels,
            config.latent_width,
            config.decoder_width or config.latent_width,
            outputs=2,
            residual=config.query_residual,
            gelu=config.gelu,
        )
        # A constant of the tile size: computed here, never stored in a checkpoint.
        positions = fourier_positions(*config.tile, config.position_bands, config.position_nyquist)
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        """Estimate the flow of one tile: `read` it, then `write` every pixel.

        Args:
            frame1: float `(B, 3, H, W)` in [-1, 1], RGB, of the configured tile size.
            frame2: the same shape.

        Returns:
            float32 `(B, 2, H, W)`: u (right), v (down), in pixels, on the grid of frame 1.

        Raises:
            ValueError: if the frames are not of the tile size.
        """
        pixels, latents = self.read(frame1, frame2)
        return self.write(pixels, latents).transpose(1, 2).unflatten(2, self.config.tile)

    def read(self, frame1: Tensor, frame2: Tensor) -> tuple[Tensor, Tensor]:
        """Turn a tile into its pixels `(B, H*W, C)`, the input array, and the processed latents `(B, N, D)`."""
        if frame1.shape != frame2.shape or frame1.shape[1:] != (3, *self.config.tile):
            expected = ("B", 3, *self.config.tile)
            raise ValueError(f"expected two frames of {expected}, got {(*frame1.shape,)} and {(*frame2.shape,)}")
        # Never in bfloat16, whatever surrounds this: motion is in differences of 1/256 and less between the frames.
        with torch.autocast(frame1.device.type, enabled=False):
            features = self.pixels(extract_patches(frame1, frame2))  # (B, H*W, features)
        positions = self.positions.to(features.dtype).expand(frame1.shape[0], -1, -1)
        pixels = torch.cat((features, positions), dim=-1)  # (B, H*W, C)
        return pixels, self.encoder(pixels)

    def write(self, queries: Tensor, latents: Tensor) -> Tensor:
        """Decode the flow of any subset of the pixels that `read` returned: `(B, O, C)` to float32 `(B, O, 2)`."""
        return self.decoder(queries, latents).float() * self.config.flow_scale
