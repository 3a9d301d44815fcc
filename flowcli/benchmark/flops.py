"""Arithmetic of the network by formula: floating-point operations of its matrix products and convolutions.

A multiplication and an addition count as two; element-wise work (exponentials, normalisation, GELU) is left out, as
`torch.utils.flop_counter` leaves it out. Letters as in `model.perceiver`: M pixels, N latents of D channels, C channels
of a pixel, of which F are features; E channels in the decoder's attention; P products of the gated pixel network.
"""

from __future__ import annotations

from flowcli.model.config import PATCH_VALUES, ModelConfig

STAGES = ("pixels", "encoder", "latents", "decoder")


def count_reference(config: ModelConfig) -> dict[str, int]:
    """Count the operations of `PerceiverFlow` per stage, for one tile."""
    height, width = config.tile
    m, n, d, c, f = height * width, config.latents, config.latent_width, config.pixel_channels, config.features
    e, p, v = config.decoder_width or d, config.pixel_width, PATCH_VALUES
    # Query, keys and values, scores, weighted sums, output; then the feed-forward.
    encoder = n * d * c + 2 * m * c * c + n * m * c + n * m * c + n * c * d + 2 * n * d * d
    decoder = m * c * e + 2 * n * d * e + m * n * e + m * n * e + m * e * c + 2 * m * c * c + 2 * m * c
    pixels = m * (v * v + 2 * v * p + p * f + v * f) if p else m * v * f
    return _doubled(pixels, encoder, _count_latents(config), decoder)


def count_folded(config: ModelConfig) -> dict[str, int]:
    """Count the operations of the folded network per stage, for one tile."""
    height, width = config.tile
    m, n, d, c, f = height * width, config.latents, config.latent_width, config.pixel_channels, config.features
    p, v = config.pixel_width, PATCH_VALUES
    # Scores, weighted sums, output; then the feed-forward.
    encoder = n * m * f + n * m * (f + 2) + n * (f + 1 + height + width) * d + 2 * n * d * d
    # Keys, values, scores, weighted sums, and the two maps that are left of feed-forward and output.
    decoder = n * d * (f + height + width + 1) + n * d * (c + 1) + m * n * (f + c + 1) + m * c * (c + 3) + 2 * m * c
    pixels = m * (v * (2 * p + f) + p * f)
    return _doubled(pixels, encoder, _count_latents(config), decoder)


def _count_latents(config: ModelConfig) -> int:
    n, d = config.latents, config.latent_width
    return config.layers * (6 * n * d * d + 2 * n * n * d)


def _doubled(*stages: int) -> dict[str, int]:
    return {name: 2 * count for name, count in zip(STAGES, stages, strict=True)}
