"""From a ceiling on memory to the sizes of the network's buffers."""

from __future__ import annotations

from typing import NamedTuple

import torch

from flowcli.model.config import ModelConfig
from flowcli.model.folded import CPU_CHUNK, GPU_CHUNK
from flowcli.model.folded.decoder import CPU_WIDTH

DEFAULT_MEMORY = 2.0
"""Ceiling in GiB when none is given."""

# Arrays of the scores' size that live at once: the scores, the gathered values, the hidden layer, GELU's inside, and
# two for the narrower copies that other operand types need.
SCORE_ARRAYS = 6
# Beyond that a CPU gains nothing, a GPU is full.
MOST_TILES = {"cpu": 32, "cuda": 256, "mps": 64}


class Budget(NamedTuple):
    """How the network's buffers are laid out.

    Attributes:
        batch: tiles per call of the network.
        chunk: scores held at once by the encoder, and by the decoder on a GPU.
    """

    batch: int
    chunk: int


def plan_buffers(config: ModelConfig, memory: float, device: torch.device, workers: int = 1) -> Budget:
    """Divide a ceiling among what the network holds; the least is one tile per worker, whatever the ceiling.

    Args:
        config: the network.
        memory: GiB for buffers: frames of whole pairs and the weights are not counted; see `runtime.ceiling`.
        device: where the network runs.
        workers: calls of the network at the same time.
    """
    values = memory * 2**30 / 4 / max(1, workers)  # float32 values of one worker
    # On a CPU a matter of cache, far below any ceiling.
    most = CPU_CHUNK if device.type == "cpu" else GPU_CHUNK
    chunk = int(min(most, max(CPU_CHUNK, values / 2 / SCORE_ARRAYS)))
    scores = chunk * CPU_WIDTH if device.type == "cpu" else chunk
    batch = int((values - SCORE_ARRAYS * scores) / _values_per_tile(config))
    return Budget(max(1, min(MOST_TILES[device.type], batch)), chunk)


def count_bytes(config: ModelConfig, batch: int, together: int, chunk: int) -> int:
    """Return the bytes that one call of the network takes on a CPU.

    Args:
        config: the network.
        batch: tiles per call.
        together: how many of them are worked on at once.
        chunk: see `Budget`.
    """
    frames = batch * config.tile[0] * config.tile[1] * (6 + 2 + 2)
    return 4 * (frames + min(batch, together) * _values_per_tile(config) + SCORE_ARRAYS * chunk * CPU_WIDTH)


def _values_per_tile(config: ModelConfig) -> int:
    # Frames, flow, blended flow; responses of the convolution; features with mean, deviation and its inverse.
    responses = config.features + 2 * config.pixel_width
    arrays = 6 + 2 + 2 + responses + config.features + 3
    latents = 12 * config.latents * config.latent_width
    return config.tile[0] * config.tile[1] * arrays + latents
