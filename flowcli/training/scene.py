"""One larger synthetic pair with known flow, for `flowcli demo`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flowcli.flow import FlowField, Frame
from flowcli.model.features import flow_to_numpy
from flowcli.training.synthetic import render_pairs
from flowcli.training.textures import make_leaves

LONGEST_MOTION = 9.0
TEXTURES = 24


@dataclass(frozen=True)
class Scene:
    """A frame pair and its exact flow; frames are uint8 `(H, W, 3)` RGB."""

    frame1: Frame
    frame2: Frame
    truth: FlowField


def make_scene(size: tuple[int, int], seed: int) -> Scene:
    """Render moving textured layers, `size` = (height, width); the same seed gives the same scene."""
    # A picture to look at: no empty or repeated textures, and a camera without faults.
    rng = np.random.default_rng(seed)
    bank = torch.from_numpy(np.stack([make_leaves(rng).transpose(2, 0, 1) for _ in range(TEXTURES)]))
    generator = torch.Generator().manual_seed(seed)
    pairs = render_pairs(generator, bank, batch=1, size=size, margin=0, largest=LONGEST_MOTION)
    frame1, frame2 = (
        (frame[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy() for frame in (pairs.frame1, pairs.frame2)
    )
    return Scene(frame1, frame2, FlowField(flow_to_numpy(pairs.flow)[0]))
