"""The layers of the synthetic world: texture, its placement, outline; and how they are painted over each other.

Layers of all pairs lie in one list: `pair` says whose they are, `slot` how high (0 is the background).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.training.motion import LayerMotion, to_frame1, uniform
from flowcli.training.outlines import NOWHERE, POLYGON, Outlines, coverage, make_outlines
from flowcli.training.planes import Planes

PRESENT = 0.45
"""Chance of every shape to be there."""

PALE = 0.15
"""Share of the layers with little contrast (sky, walls): a fiftieth to a third of the texture's."""

SMALLEST_DEPTH = 0.2
"""A texture on the ground gets no smaller than this, relative to the middle of what is seen of the ground."""

Record = TypeVar("Record", LayerMotion, Outlines)


@dataclass(frozen=True)
class Layers:
    """`(N,)` layers.

    Attributes:
        pair: which frame pair they belong to; ascending.
        slot: height in the stack.
        placement: `(N, 3, 3)`, pixel of frame 1 -> grid of the texture (-1..1), a homography for the ground.
        contrast: of the texture, 0..1.
        texels: per pixel, where the placement's depth is 1.
        outlines: of `(N,)` layers; not looked at in slot 0.
    """

    pair: Tensor
    slot: Tensor
    placement: Tensor
    contrast: Tensor
    texels: Tensor
    outlines: Outlines

    def choose(self, rows: Tensor, number: Tensor) -> Layers:
        """Return the layers of these rows; `number` `(B,)` gives the pairs' new numbers."""
        return Layers(
            number[self.pair[rows]],
            self.slot[rows],
            self.placement[rows],
            self.contrast[rows],
            self.texels[rows],
            pick(self.outlines, rows),
        )


@dataclass(frozen=True)
class Moving:
    """Layers and their motions, both `(N,)`."""

    layers: Layers
    motion: LayerMotion


def pick(record: Record, index: Tensor | tuple[Tensor, ...]) -> Record:
    """Index every tensor of a record."""
    return replace(record, **{field.name: getattr(record, field.name)[index] for field in fields(record)})


def make_layers(
    generator: Generator,
    bank: Tensor,
    motion: LayerMotion,
    planes: Planes,
    size: tuple[int, int],
    margin: int,
    share: float = PRESENT,
) -> tuple[Moving, Tensor]:
    """Draw the layers that are there, and cut their textures, float `(N, 3, R, S)` in 0..255.

    Args:
        generator: source of randomness.
        bank: uint8 `(T, 3, S, S)`.
        motion: of `(B, L)` layers.
        planes: the layers that are planes of the scene.
        size: (height, width) of the window.
        margin: pixels of frame 2 around it.
        share: chance of every shape to be there.
    """
    batch, slots = motion.forward.shape[:2]
    outlines = make_outlines(generator, batch, slots, size)
    chosen = planes.chosen
    outlines = replace(
        outlines,
        edges=torch.where(chosen[..., None, None], planes.edges, outlines.edges),
        kind=torch.where(chosen, POLYGON, outlines.kind),
        centre=outlines.centre * ~chosen[..., None],
        rim=torch.where(chosen, NOWHERE, outlines.rim),
    )

    texels = torch.exp(uniform(generator, math.log(0.5), math.log(1.4), batch, slots))  # per pixel
    # No more of a texture is cut than a frame can show.
    diagonal = math.hypot(size[0] + 2 * margin, size[1] + 2 * margin)
    side = bank.shape[-1]
    rows = min(side, math.ceil(diagonal))
    placement = _place(generator, texels, (rows, side))
    placement = torch.where(chosen[..., None, None], placement @ planes.texture, placement)
    pale = uniform(generator, 0, 1, batch, slots) < PALE
    contrast = torch.where(pale, torch.exp(uniform(generator, math.log(0.02), math.log(0.35), batch, slots)), 1.0)
    present = uniform(generator, 0, 1, batch, slots) < share
    present[:, 0] = True
    present |= chosen

    choice = torch.randint(bank.shape[0], (batch, slots), generator=generator, device=generator.device)
    colours = torch.rand(batch, slots, 3, generator=generator, device=generator.device).argsort(-1)
    first = torch.randint(side - rows + 1, (batch, slots), generator=generator, device=generator.device)
    pair, slot = index = present.nonzero(as_tuple=True)
    textures = _cut(bank, choice[index], colours[index], first[index], rows)
    layers = Layers(pair, slot, placement[index], contrast[index], texels[index], pick(outlines, index))
    return Moving(layers, pick(motion, index)), textures


def _place(generator: Generator, texels: Tensor, texture: tuple[int, int]) -> Tensor:
    """Turn, scale and shift the textures: `(B, L, 3, 3)`."""
    angle = uniform(generator, 0, 2 * math.pi, *texels.shape)
    offset = uniform(generator, -0.7, 0.7, *texels.shape, 2)
    cos, sin, zero = texels * angle.cos(), texels * angle.sin(), torch.zeros_like(texels)
    half_height, half_width = texture[0] / 2, texture[1] / 2
    rows = (
        *(cos / half_width, -sin / half_width, offset[..., 0]),
        *(sin / half_height, cos / half_height, offset[..., 1]),
        *(zero, zero, zero + 1),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _cut(bank: Tensor, choice: Tensor, colours: Tensor, first: Tensor, rows: int) -> Tensor:
    """Cut `rows` rows of the chosen textures, colours permuted.

    Whole rows are copied and only those turned into floats: far cheaper than indexing pixels.
    """
    side = bank.shape[-1]
    start = (choice[:, None] * 3 + colours) * side + first[:, None]
    index = start[..., None] + torch.arange(rows, device=bank.device)
    return bank.reshape(-1, side).index_select(0, index.flatten()).view(len(choice), 3, rows, side).float()


def composite(layers: Layers, textures: Tensor, x: Tensor, y: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """Paint layers over each other.

    Args:
        layers: `(N,)` layers of `batch` pairs.
        textures: float `(N, 3, R, S)`.
        x: the point of frame 1 that each layer shows at each pixel, `(N, H, W)`.
        y: the same shape.
        batch: B.

    Returns:
        Colours `(B, 3, H, W)` on the textures' scale, and the number of the topmost layer, long `(B, H, W)`.
    """
    colours = _paint(layers, textures, x, y)
    low = (layers.slot == 0).nonzero()[:, 0]
    image = colours[low]
    top = low[:, None, None].repeat(1, *x.shape[1:])
    raised = (layers.slot > 0).nonzero()[:, 0]
    alpha = coverage(pick(layers.outlines, raised), x[raised], y[raised])
    for slot in range(1, int(layers.slot.max()) + 1):
        inner = (layers.slot[raised] == slot).nonzero()[:, 0]
        rows, weight = raised[inner], alpha[inner]
        pairs = layers.pair[rows]
        image[pairs] = torch.lerp(image[pairs], colours[rows], weight[:, None])
        top[pairs] = torch.where(weight > 0.5, rows[:, None, None], top[pairs])
    return image, top


def _paint(layers: Layers, textures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Colours of every layer by itself, `(N, 3, H, W)`."""
    p = layers.placement[..., None, None]
    u = p[:, 0, 0] * x + p[:, 0, 1] * y + p[:, 0, 2]
    v = p[:, 1, 0] * x + p[:, 1, 1] * y + p[:, 1, 2]
    mean = textures[:, :, ::4, ::4].mean((2, 3), keepdim=True)  # of a sixteenth of the texels: near enough
    contrast = layers.contrast[:, None, None].repeat(1, *x.shape[1:])
    slanted = (layers.placement[:, 2, :2] != 0).any(-1).nonzero()[:, 0]
    depth = (p[slanted, 2, 0] * x[slanted] + p[slanted, 2, 1] * y[slanted] + p[slanted, 2, 2]).clamp(min=SMALLEST_DEPTH)
    u[slanted] /= depth
    v[slanted] /= depth
    # Far away a pixel covers many texels and shows their mean, as the pixels of a real camera do.
    covered = layers.texels[slanted, None, None] / depth.square()
    contrast[slanted] *= (1 - (covered - 1.5) / 5).clamp(0.02, 1)
    colours = F.grid_sample(
        textures, torch.stack((u, v), -1), mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return torch.lerp(mean, colours, contrast[:, None])


def find_cover(moving: Moving, top: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Say where a higher layer covers the points x, y `(B, H, W)` of frame 2 that belong to layer `top`: bool."""
    layers = moving.layers
    raised = (layers.slot > 0).nonzero()[:, 0]
    pairs = layers.pair[raised]
    place = to_frame1(pick(moving.motion, raised), x[pairs], y[pairs])
    hides = coverage(pick(layers.outlines, raised), *place) > 0.5
    hides &= layers.slot[raised, None, None] > layers.slot[top][pairs]
    covered = torch.zeros(top.shape, dtype=torch.float32, device=top.device)
    return covered.index_add_(0, pairs, hides.float()) > 0
