"""The networks on tiles: the flow of the CPU, and ms per tile in turns with transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from flowcli.benchmark.clock import interleave
from flowcli.benchmark.flops import count_folded
from flowcli.benchmark.transformers_network import build_transformers_network
from flowcli.checkpoints import build_model
from flowcli.errors import EngineError
from flowcli.model.config import ModelConfig
from flowcli.model.features import normalise, stack_frames
from flowcli.model.folded import FoldedFlow, fold
from flowcli.runtime.buffers import DEFAULT_MEMORY, plan_buffers
from flowcli.training.scene import make_scene
from gpu_checks.setup import Row, Setup
from gpu_checks.variants import make_variants, peak_gib

BOUNDS = {"fp32": 0.01, "bf16": 0.15}
"""Largest mean difference in px from the CPU's float32."""


def make_tiles(config: ModelConfig, count: int) -> tuple[Tensor, Tensor]:
    """Both frames of rendered motion on tiles, float `(count, 3, H, W)` in [-1, 1]."""
    height, width = config.tile
    scene = make_scene((max(96, height), max(128, width)), seed=15)
    frames = [normalise(stack_frames([frame[:height, :width]])) for frame in (scene.frame1, scene.frame2)]
    return frames[0].repeat(count, 1, 1, 1).contiguous(), frames[1].repeat(count, 1, 1, 1).contiguous()


def place(setup: Setup, name: str, precision: str) -> tuple[FoldedFlow, int]:
    """Return a folded network on the device, and how many tiles it is given at once."""
    checkpoint, _ = setup.networks[name]
    operands = torch.bfloat16 if precision == "bf16" else torch.float32
    budget = plan_buffers(checkpoint.config, DEFAULT_MEMORY, setup.device)
    batch = 2 if setup.small else budget.batch
    return fold(build_model(checkpoint), operands, budget.chunk).to(setup.device), batch


@contextmanager
def without_tf32() -> Iterator[None]:
    """Convolutions multiply in float32 throughout; torch lets cuDNN round operands to TF32 unless told otherwise."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def compare_networks(setup: Setup) -> list[Row]:
    """Difference of flow from the CPU's float32, in px."""
    rows: list[Row] = []
    for name, (checkpoint, weights) in setup.networks.items():
        tiles = make_tiles(checkpoint.config, 1)
        expected = fold(build_model(checkpoint))(*tiles)
        for precision in setup.precisions:
            network, _ = place(setup, name, precision)
            ways = {"": nullcontext, "cuDNN without TF32": without_tf32} if setup.has_graphs else {"": nullcontext}
            for way, context in ways.items():
                with context():
                    flow = network(*(tile.to(setup.device) for tile in tiles)).cpu()
                difference = (flow - expected).norm(dim=1)
                rows.append(
                    {
                        "network": name,
                        "weights": weights,
                        "precision": precision,
                        "way": way,
                        "mean motion": expected.norm(dim=1).mean().item(),
                        "mean px": difference.mean().item(),
                        "max px": difference.max().item(),
                        "holds": bool(difference.mean() < BOUNDS[precision]),
                    }
                )
    return rows


def time_networks(setup: Setup) -> list[Row]:
    """Time per tile of every way to run a network, all ways of one network in turns; one tile and a full batch."""
    rows: list[Row] = []
    for name, (checkpoint, _) in setup.networks.items():
        gflop = sum(count_folded(checkpoint.config).values()) / 1e9
        for precision in setup.precisions:
            network, most = place(setup, name, precision)
            for count in sorted({1, most}):
                tiles = tuple(tile.to(setup.device) for tile in make_tiles(checkpoint.config, count))
                # Both batches of both networks would take minutes to compile.
                variants = make_variants(setup, network, *tiles, compiled=count == most)
                runs = variants.runs
                rival = _find_rival(setup, name, precision) if count == 1 else None
                if rival is not None:
                    runs["transformers"] = lambda rival=rival, tiles=tiles: rival(*tiles)
                expected = runs["plain"]().clone()
                for way, timing in interleave(runs, setup.repeats, setup.device).items():
                    seconds = float(np.median(timing.wall)) / count
                    difference = (runs[way]() - expected).norm(dim=1).mean().item()
                    row: Row = {"network": name, "precision": precision, "tiles": count, "way": way}
                    row |= {
                        "set-up s": variants.setup.get(way),
                        "ms/tile": seconds * 1e3,
                        "GiB": peak_gib(setup, runs[way]),
                    }
                    if way != "transformers":
                        row["share of matmul"] = gflop * 1e9 / seconds / setup.rates[precision]
                    # Ours in other ways is the same; transformers in bfloat16 rounds elsewhere.
                    bound = BOUNDS["bf16"] if precision == "bf16" else BOUNDS["fp32"]
                    rows.append(row | {"mean px": difference, "holds": difference < bound})
                rows += [
                    {"network": name, "precision": precision, "tiles": count, "way": way, "failed": reason}
                    for way, reason in variants.failed.items()
                ]
    return rows


def _find_rival(setup: Setup, name: str, precision: str) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return transformers' network with the same weights, where it is installed and knows such a network."""
    if name != "perceiver-io":
        return None
    try:
        rival = build_transformers_network(build_model(setup.networks[name][0]).to(setup.device))
    except EngineError:
        return None
    if precision == "fp32":
        return rival

    def narrow(frame1: Tensor, frame2: Tensor) -> Tensor:
        with torch.autocast(setup.device.type, torch.bfloat16):
            return rival(frame1, frame2).float()

    return narrow
