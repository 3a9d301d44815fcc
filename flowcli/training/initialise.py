"""Initial weights from which a small Perceiver learns: whitened patches and latents with a home.

With standard initialisation the published architecture stays at zero flow for thousands of steps. Two things start
it: the patch values are whitened, and every latent begins at a place of the tile, attending to the pixels around it, so
attention is local pooling at step 0 and training only has to bend it. All but the whitening stays trainable.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from flowcli.model.coarse import CoarseFlow
from flowcli.model.config import PATCH_VALUES
from flowcli.model.features import extract_patches
from flowcli.model.perceiver import CrossBlock, GatedPixels, PerceiverFlow
from flowcli.training.residual import ResidualTask

SEEDED_BANDS = 8
"""Lowest Fourier bands that carry the homes."""

PIXELS_PER_LATENT = 1.5
"""Effective support of a latent's first attention, in units of pixels / latents."""

LATENTS_PER_PIXEL = 4.0
"""Effective number of latents that a pixel's query first reads."""


def initialise(model: PerceiverFlow, generator: Generator, tasks: list[ResidualTask]) -> None:
    """Set the weights of `model` in place.

    Args:
        model: any network; the whitening is for the "gated" pixel network.
        generator: on the model's device.
        tasks: a few batches of warped pairs, from which the whitening is computed.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(model.decoder.output.weight)
    if isinstance(model.pixels, GatedPixels):
        whiten(model.pixels, tasks)
    seed_latents(model, generator, model.positions, model.config.tile)


@torch.no_grad()
def whiten(pixels: GatedPixels, tasks: list[ResidualTask]) -> None:
    """Fix the whitening from the mean and covariance of the patch values of `tasks`."""
    whiten_values(pixels, torch.cat([extract_patches(task.frame1, task.warped).flatten(0, 1) for task in tasks]))


@torch.no_grad()
def whiten_values(pixels: GatedPixels, values: Tensor) -> None:
    """Fix the whitening from `(N, 54 + evidence)`: patch values together, each further one by its own spread."""
    values = values.double()
    mean = values.mean(0)
    variances, vectors = torch.linalg.eigh(torch.cov((values - mean)[:, :PATCH_VALUES].T))
    matrix = torch.diag(1 / (values.std(0) + 1e-2))
    # The floor keeps directions that hold only noise from being blown up.
    matrix[:PATCH_VALUES, :PATCH_VALUES] = vectors / (variances + 2e-4).sqrt()
    pixels.whitening_mean.copy_(mean)
    pixels.whitening_matrix.copy_(matrix)


@torch.no_grad()
def seed_latents(
    model: PerceiverFlow | CoarseFlow, generator: Generator, positions: Tensor, grid: tuple[int, int]
) -> None:
    """Give every latent a home on a grid over the tile and make both cross-attentions local.

    Args:
        model: changed in place.
        generator: on the model's device.
        positions: of all tokens of a tile, `(rows * columns, C)`.
        grid: (rows, columns) of tokens.
    """
    config = model.config
    # A band takes four channels (sine and cosine of y and x), which every array on the way must have.
    narrowest = min(config.latent_width, config.decoder_width or config.latent_width)
    bands = min(SEEDED_BANDS, config.position_bands, narrowest // 4)
    rows = max(1, round(math.sqrt(config.latents * grid[0] / grid[1])))
    columns = math.ceil(config.latents / rows)
    chosen = _band_channels(config.position_bands, bands)
    homes = _positions_at(_home_grid(rows, columns)[: config.latents], positions, grid)[:, chosen]
    latents = model.encoder.latents
    nn.init.normal_(latents, std=0.2, generator=generator)
    latents[:, : len(chosen)] = homes.to(latents)
    weights = torch.exp(torch.linspace(0, -2, bands)).repeat(4).to(latents)
    pixels = torch.cat((torch.zeros(len(positions), config.features).to(positions), positions), dim=1)
    in_pixels = [config.features + channel for channel in chosen]
    in_latents = list(range(len(chosen)))
    support = PIXELS_PER_LATENT * grid[0] * grid[1] / config.latents
    _make_local(model.encoder.cross, latents, in_latents, pixels, in_pixels, weights, support, generator)
    _make_local(model.decoder.cross, pixels[::7], in_pixels, latents, in_latents, weights, LATENTS_PER_PIXEL, generator)


def _band_channels(bands: int, kept: int) -> list[int]:
    """Channels of the lowest `kept` bands in a position: sines of y, of x, cosines of y, of x."""
    return [2 + group * bands + band for group in range(4) for band in range(kept)]


def _home_grid(rows: int, columns: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    return torch.stack((y / rows, x / columns), dim=-1).flatten(0, 1)  # (rows*columns, 2) in 0..1


def _positions_at(homes: Tensor, positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Look up the position code of the token under each home."""
    index = (homes * torch.tensor(grid)).long()
    return positions.cpu()[index[:, 0] * grid[1] + index[:, 1]]


def _make_local(
    block: CrossBlock,
    queries: Tensor,
    query_channels: list[int],
    inputs: Tensor,
    input_channels: list[int],
    weights: Tensor,
    support: float,
    generator: Generator,
) -> None:
    """Write an identity between the position channels of queries and inputs, with the gain that gives `support`."""
    query, key = block.attention.query, block.attention.key
    nn.init.normal_(query.weight, std=0.02, generator=generator)
    nn.init.normal_(key.weight, std=0.02, generator=generator)
    inner = torch.arange(len(query_channels))
    q, k = block.query_norm(queries)[:, query_channels], block.input_norm(inputs)[:, input_channels]
    scores = (q * weights) @ k.T / math.sqrt(query.out_features)
    low, high, gain = 0.0, 1e4, 1.0
    for _ in range(60):  # effective support falls as the gain rises: bisect
        gain = (low + high) / 2
        probability = torch.softmax(scores * gain, dim=-1)
        entropy = -(probability * probability.clamp(min=1e-30).log()).sum(-1).mean()
        low, high = (gain, high) if math.exp(float(entropy)) > support else (low, gain)
    root = math.sqrt(gain)
    query.weight[inner, query_channels] += root * weights.sqrt()
    key.weight[inner, input_channels] += root * weights.sqrt()
