"""A Perceiver IO network as a method: tensors inside, numpy outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.coarse_to_fine.pipeline import estimate_coarse_to_fine
from flowcli.coarse_to_fine.presets import DEFAULT_PRESET, Preset, find_preset
from flowcli.errors import UsageError
from flowcli.flow import FlowField, Frame
from flowcli.kernels.stages import use_kernels
from flowcli.kernels.store import choose_kernels
from flowcli.methods.candidates import guess_flow
from flowcli.methods.classical import DIS_LONGEST_SIDE
from flowcli.model.config import ModelConfig
from flowcli.model.features import flow_to_numpy, stack_frames
from flowcli.model.folded import fold
from flowcli.runtime.buffers import DEFAULT_MEMORY, plan_buffers
from flowcli.runtime.device import choose_device, choose_precision
from flowcli.runtime.memory import keep_freed_memory
from flowcli.runtime.threads import Workers
from flowcli.runtime.tiles import TiledNetwork

DEFAULT_GUESS = "dis"
"""First guess of a residual network unless told otherwise; the figures behind it are in weights/README.md."""


class NetworkFlow:
    """Estimates with a checkpoint: one scale for a network of whole motions, coarse to fine for one of residuals."""

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        memory: float | None = None,
        batch: int | None = None,
        overlap: int | None = None,
        guess: str = "auto",
        polish: bool | None = None,
        preset: str | None = None,
        kernels: str = "auto",
    ) -> None:
        keep_freed_memory()
        if guess not in ("auto", "none", "dis"):
            raise UsageError(f"expected a first guess auto, none or dis, got {guess!r}")
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        operands = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self.kernels = choose_kernels(kernels, operands, self.device)
        checkpoint = load_checkpoint(model)
        config = checkpoint.config
        self.config = config
        if guess == "dis" and not config.residual:
            raise UsageError(f"expected --guess none with {model}: it estimates whole motions, not coarse to fine")
        self.guess = (DEFAULT_GUESS if config.residual else "none") if guess == "auto" else guess
        if polish and not config.residual:
            raise UsageError(f"expected no --polish with {model}: it estimates whole motions, not coarse to fine")
        self.polish = config.residual if polish is None else polish
        if preset is not None and not config.residual:
            raise UsageError(f"expected no --preset with {model}: it estimates whole motions, not coarse to fine")
        self.preset = (preset or DEFAULT_PRESET) if config.residual else None
        work = find_preset(self.preset or DEFAULT_PRESET)
        self.overlap = default_overlap(config, work) if overlap is None else overlap
        if not 0 <= self.overlap < min(config.tile):
            raise UsageError(f"expected an overlap from 0 to {min(config.tile) - 1} pixels, got {overlap}")
        self.workers = Workers(torch.get_num_threads() if self.device.type == "cpu" else 1)
        budget = plan_buffers(config, memory or DEFAULT_MEMORY, self.device, self.workers.count)
        self.batch = batch or budget.batch
        self.model = fold(build_model(checkpoint), operands, budget.chunk).to(self.device)
        if self.kernels is not None:
            use_kernels(self.model, self.kernels)
        self.tiled = TiledNetwork(
            self.model,
            config,
            self.batch,
            self.overlap,
            grid="even" if config.residual else "published",
            cap=self.overlap if config.residual else None,
            workers=self.workers,
        )
        self.pyramid = replace(work.pyramid, polished=self.polish)
        self.name = str(model)
        self.settings: dict[str, object] = {
            "model": self.name,
            "weights": checkpoint.sha256,
            "device": str(self.device),
            "precision": self.precision,
            "tile": list(config.tile),
            "overlap": self.overlap,
            "guess": self.guess,
            "polish": self.polish,
            "preset": self.preset,
        }

    def estimate(self, pairs: Sequence[tuple[Frame, Frame]]) -> list[FlowField]:
        """Estimate the flow of pairs of uint8 `(H, W, 3)` RGB frames, all of one size."""
        frame1, frame2 = (stack_frames(frames, self.device) for frames in zip(*pairs, strict=True))
        if self.config.residual:
            guessed = self.guess != "none" and max(frame1.shape[2:]) <= DIS_LONGEST_SIDE
            guess = partial(guess_flow, pairs, self.device) if guessed else None
            flow = estimate_coarse_to_fine(frame1, frame2, self.tiled, self.pyramid, guess, self.workers)
        else:
            flow = self.tiled(frame1, frame2)
        return [FlowField(uv) for uv in flow_to_numpy(flow)]


def default_overlap(config: ModelConfig, preset: Preset) -> int:
    """Overlap of tiles in pixels: 20 as published, for a residual network the preset's; at most half a tile."""
    return min(preset.overlap if config.residual else 20, min(config.tile) // 2)
