"""A benchmark without downloads: rendered pairs of five kinds, never trained on, the same for everyone.

Textures are procedural. Seeds are far from those of any training run, and the pairs are larger than what networks are
trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.flow import FlowField, Frame
from flowcli.training.synthetic import SyntheticPairs, World, make_pairs
from flowcli.training.textures import make_texture_bank

PAIRS = 20
"""Per kind."""

SEED = 2**48
TEXTURES = 64
TRIES = 40
"""Pairs that are rendered at most until one is of its kind; the last one is taken then."""


@dataclass(frozen=True)
class Kind:
    """One kind of scene.

    Attributes:
        size: (height, width) in pixels.
        largest: longest motion in pixels.
        world: what it shows.
        covered: least share of the pixels that something hides in frame 2.
        outside: least share of the pixels that leave the frame.
        fast: least motion in pixels of the fastest hundredth of what stays visible.
    """

    size: tuple[int, int]
    largest: float
    world: World
    covered: float = 0.0
    outside: float = 0.0
    fast: float = 0.0


KINDS = {
    "street": Kind((256, 832), 40, World(8, 0.33, streets=1.0)),
    "indoor": Kind((384, 512), 40, World(7, 0.45, cameras=1.0)),
    "fast": Kind((384, 512), 90, World(7, 0.5, cameras=0.0), fast=40),
    "occlusion": Kind((384, 512), 40, World(10, 0.7, cameras=0.2), covered=0.08),
    "outside": Kind((384, 512), 120, World(6, 0.45, streets=0.3), outside=0.15),
}


@dataclass(frozen=True)
class RenderedPair:
    """A frame pair with exact flow.

    Attributes:
        frame1: uint8 `(H, W, 3)` RGB.
        frame2: the same shape.
        flow: from frame 1 to frame 2.
        visible: bool `(H, W)`: frame 1's pixel is seen in frame 2.
    """

    frame1: Frame
    frame2: Frame
    flow: FlowField
    visible: NDArray[np.bool_]


def render(name: str, number: int) -> RenderedPair:
    """Render one pair of one of KINDS, always the same.

    Args:
        name: of the kind.
        number: 0 to PAIRS - 1.
    """
    pairs = _render(name, number, _find_try(name, number))
    return RenderedPair(
        _to_frame(pairs.frame1),
        _to_frame(pairs.frame2),
        FlowField(pairs.flow[0].permute(1, 2, 0).contiguous().numpy()),
        pairs.visible[0, 0].numpy(),
    )


@cache
def _find_try(name: str, number: int) -> int:
    """Return the first try that gives a pair of its kind, or the last one."""
    kind = KINDS[name]
    return next((k for k in range(TRIES - 1) if _is_of(kind, _render(name, number, k))), TRIES - 1)


@lru_cache(maxsize=1)  # the last one that was tried is the one that is wanted
def _render(name: str, number: int, attempt: int) -> SyntheticPairs:
    kind = KINDS[name]
    generator = torch.Generator().manual_seed(_first_seed(name) + 1 + number * TRIES + attempt)
    return make_pairs(generator, _make_bank(name), 1, kind.size, 0, kind.largest, kind.world)


@lru_cache(maxsize=len(KINDS))
def _make_bank(name: str) -> Tensor:
    return torch.from_numpy(make_texture_bank(np.random.default_rng(_first_seed(name)), TEXTURES))


def _first_seed(name: str) -> int:
    return SEED + list(KINDS).index(name) * 2**20


def _is_of(kind: Kind, pairs: SyntheticPairs) -> bool:
    height, width = kind.size
    x = torch.arange(width) + pairs.flow[0, 0]
    y = torch.arange(height)[:, None] + pairs.flow[0, 1]
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    visible = pairs.visible[0, 0]
    covered = ~visible & ~outside
    speed = pairs.flow[0].norm(dim=0)[visible]
    fast = float(speed.quantile(0.99)) if len(speed) else 0.0
    return (
        float(outside.float().mean()) >= kind.outside
        and float(covered.float().mean()) >= kind.covered
        and fast >= kind.fast
    )


def _to_frame(frame: Tensor) -> Frame:
    return ((frame[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).contiguous().numpy()
