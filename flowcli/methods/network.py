"""A checkpoint's network on a device, in tiles: what the two methods with a network share."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flowcli.checkpoints import Checkpoint, build_model
from flowcli.errors import UsageError
from flowcli.kernels.library import Library
from flowcli.kernels.stages import use_kernels
from flowcli.kernels.store import choose_kernels
from flowcli.model.config import ModelConfig
from flowcli.model.folded import fold
from flowcli.options import EstimatorOptions, flag
from flowcli.runtime.buffers import DEFAULT_MEMORY, count_bytes, plan_buffers
from flowcli.runtime.device import Precision, choose_device, choose_precision
from flowcli.runtime.grid import Grid
from flowcli.runtime.threads import Workers, count_threads
from flowcli.runtime.tiles import TiledNetwork

PAIRS_AT_ONCE = 4
"""Pairs that fill a GPU."""


@dataclass(frozen=True)
class PlacedNetwork:
    """A network, where it runs and how.

    Attributes:
        config: its shape.
        tiled: itself, for frames of any size.
        device: where it runs.
        precision: its arithmetic.
        kernels: what runs its attentions; None: torch.
        workers: threads for it and for what surrounds it.
        bytes_per_worker: that it takes in each of them, on a CPU.
        settings: what determines its answer, plain JSON values.
    """

    config: ModelConfig
    tiled: TiledNetwork
    device: torch.device
    precision: Precision
    kernels: Library | None
    workers: Workers
    bytes_per_worker: int
    settings: dict[str, object]

    @property
    def pairs_at_once(self) -> int:
        """How many pairs fill the device."""
        return PAIRS_AT_ONCE if self.device.type == "cuda" else 1


def place_network(
    checkpoint: Checkpoint, options: EstimatorOptions, *, overlap: int, grid: Grid, capped: bool
) -> PlacedNetwork:
    """Put a checkpoint's network where the options want it.

    Args:
        checkpoint: the network.
        options: device, precision, kernels, memory, batch, overlap and threads.
        overlap: of tiles in pixels where the options leave it open; at most half a tile.
        grid: layout of the tiles.
        capped: whether the blending weights end at the overlap; else they are the published pyramid.

    Raises:
        UsageError: an overlap that does not fit the tile.
        EngineError: the device, the precision or the kernels are not to be had.
    """
    config = checkpoint.config
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    operands = torch.bfloat16 if precision == "bf16" else torch.float32
    kernels = choose_kernels(options.kernels, operands, device)
    overlap = min(overlap, min(config.tile) // 2) if options.overlap is None else options.overlap
    if overlap >= min(config.tile):
        raise UsageError(f"expected {flag('overlap')} from 0 to {min(config.tile) - 1} pixels, got {overlap}")
    workers = Workers(count_threads(options.threads) if device.type == "cpu" else 1)
    # On a CPU the ceiling is the whole process's: `runtime.ceiling` plans it.
    memory = options.memory if device.type != "cpu" else None
    budget = plan_buffers(config, memory or DEFAULT_MEMORY, device, workers.count)
    model = fold(build_model(checkpoint), operands, budget.chunk).to(device)
    batch = options.batch or budget.batch
    if options.memory is not None and model.tiles_at_once(device) == 1:
        # A CPU works through a batch tile by tile: the same to the bit, and only one of them in memory.
        batch = 1
    if kernels is not None:
        use_kernels(model, kernels)
    tiled = TiledNetwork(model, config, batch, overlap, grid, overlap if capped else None, workers)
    settings: dict[str, object] = {
        "model": options.model,
        "weights": checkpoint.sha256,
        "device": str(device),
        "precision": precision,
        "tile": list(config.tile),
        "overlap": overlap,
    }
    held = count_bytes(config, batch, model.tiles_at_once(device), budget.chunk)
    return PlacedNetwork(config, tiled, device, precision, kernels, workers, held, settings)
