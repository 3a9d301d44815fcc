"""The synthetic world: textured layers that move, rendered exactly in both frames, with exact flow and visibility.

A background and up to four shapes (`outlines.py`), each a textured layer with its own motion (`motion.py`), or a wall,
a ground and what stands on it before a moving camera (`planes.py`). Every pixel of both frames is computed from the
textures by the inverse map, so nothing is warped twice; what the camera does to the picture comes last (`camera.py`).
Everything runs as batched tensors on the generator's device; only the layers that are there are computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from flowcli.coarse_to_fine.warp import pixel_grid
from flowcli.training.camera import expose
from flowcli.training.layers import PRESENT, Moving, composite, find_cover, make_layers, pick
from flowcli.training.motion import make_motion, to_frame1, to_frame2, uniform
from flowcli.training.planes import SHARE, add_camera
from flowcli.training.streets import add_streets

SLOTS = 5
"""Most layers of a pair, the background included."""

BLURRED = 0.2
"""Share of the pairs with an open shutter; those that hardly move stay sharp."""

EXPOSURES = 5
"""Sub-frames that are averaged over the time the shutter is open; odd, so that the middle one is the frame itself."""

LONGEST_BLUR = 6.0
"""Pixels; beyond it the sub-frames would show one by one."""


@dataclass(frozen=True)
class SyntheticPairs:
    """Frame pairs with exact flow; frame 1 is a window of frame 2's larger canvas.

    Attributes:
        frame1: float `(B, 3, H, W)` in [-1, 1].
        frame2: float `(B, 3, H + 2 m, W + 2 m)`, m the margin.
        flow: float `(B, 2, H, W)` in pixels.
        visible: bool `(B, 1, H, W)`: frame 1's pixel is seen in frame 2.
        margin: m in pixels.
    """

    frame1: Tensor
    frame2: Tensor
    flow: Tensor
    visible: Tensor
    margin: int


@dataclass(frozen=True)
class World:
    """What a pair shows.

    Attributes:
        slots: most layers of a pair, the background included; at least 5 where there are streets.
        present: chance of every shape to be there.
        streets: share of the pairs that are streets (`streets.py`).
        cameras: share of the others that a moving camera sees (`planes.py`).
    """

    slots: int = SLOTS
    present: float = PRESENT
    streets: float = 0.0
    cameras: float = SHARE


WINDOW = World()
"""What a window of some level shows."""


def make_pairs(
    generator: Generator,
    bank: Tensor,
    batch: int,
    size: tuple[int, int],
    margin: int,
    largest: float,
    world: World = WINDOW,
) -> SyntheticPairs:
    """Render a batch and take its pictures with a camera of some faults.

    Args:
        generator: source of all randomness.
        bank: uint8 `(T, 3, S, S)` textures on the generator's device.
        batch: B.
        size: (H, W) of frame 1.
        margin: pixels of frame 2 around frame 1's window.
        largest: longest translation in pixels.
        world: what the pairs show.
    """
    pairs = render_pairs(generator, bank, batch, size, margin, largest, BLURRED, world)
    frame1, frame2 = expose(generator, pairs.frame1, pairs.frame2)
    return SyntheticPairs(frame1 * 2 - 1, frame2 * 2 - 1, pairs.flow, pairs.visible, margin)


def render_pairs(
    generator: Generator,
    bank: Tensor,
    batch: int,
    size: tuple[int, int],
    margin: int,
    largest: float,
    blurred: float = 0.0,
    world: World = WINDOW,
) -> SyntheticPairs:
    """Render a batch as the scene is, with frames in 0..1; `blurred` is the share of pairs with motion blur.

    The other arguments are those of `make_pairs`.
    """
    height, width = size
    motion = make_motion(generator, batch, world.slots, largest, math.hypot(height, width) / 2)
    motion, planes = add_camera(generator, motion, size, largest, world.cameras)
    if world.streets:
        motion, planes = add_streets(generator, motion, planes, size, largest, world.streets)
    moving, textures = make_layers(generator, bank, motion, planes, size, margin, world.present)
    x1, y1 = _centred_grid(height, width, generator.device)
    x2, y2 = _centred_grid(height + 2 * margin, width + 2 * margin, generator.device)
    count = moving.layers.pair.shape[0]

    here = x1.expand(count, -1, -1), y1.expand(count, -1, -1)
    origin = to_frame1(moving.motion, x2, y2)
    frame1, top = composite(moving.layers, textures, *here, batch)
    frame2, _ = composite(moving.layers, textures, *origin, batch)
    landing = _follow(moving, top, x1, y1)
    flow = torch.stack((landing[0] - x1, landing[1] - y1), 1)
    visible = _is_visible(moving, top, landing, (x2.abs().max(), y2.abs().max()))
    shutter = _open_shutter(generator, flow, blurred)
    _blur_motion(frame1, moving, textures, (x1, y1), shutter, moved=False)
    _blur_motion(frame2, moving, textures, (x2, y2), shutter, moved=True)
    return SyntheticPairs(frame1 / 255, frame2 / 255, flow, visible[:, None], margin)


def _centred_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    grid = pixel_grid(height, width, device)
    return grid[0, 0] - (width - 1) / 2, grid[0, 1] - (height - 1) / 2


def _follow(moving: Moving, top: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where the topmost layer's point at every pixel of frame 1 is in frame 2: x and y `(B, H, W)`."""
    x2, y2 = to_frame2(moving.motion.forward, moving.motion.waves, x, y)
    index = top.flatten() * x.numel() + torch.arange(x.numel(), device=top.device).repeat(top.shape[0])
    return x2.flatten()[index].view_as(top), y2.flatten()[index].view_as(top)


def _is_visible(moving: Moving, top: Tensor, landing: tuple[Tensor, Tensor], reach: tuple[Tensor, Tensor]) -> Tensor:
    """Say where nothing covers frame 1's point in frame 2, at its exact place there, and the canvas has it."""
    covered = find_cover(moving, top, *landing)
    return ~covered & (landing[0].abs() <= reach[0] + 0.5) & (landing[1].abs() <= reach[1] + 0.5)


def _open_shutter(generator: Generator, flow: Tensor, share: float) -> Tensor:
    """Time the shutter is open in units of the frame interval, `(B,)`; 0 for pairs without blur."""
    batch = flow.shape[0]
    fastest = torch.hypot(flow[:, 0], flow[:, 1]).flatten(1).amax(1)
    time = torch.minimum(uniform(generator, 0.1, 0.8, batch), LONGEST_BLUR / fastest.clamp(min=1e-3))
    opened = (uniform(generator, 0, 1, batch) < share) & (fastest * time > 1.5)
    return time * opened


def _blur_motion(
    frame: Tensor, moving: Moving, textures: Tensor, grid: tuple[Tensor, Tensor], shutter: Tensor, moved: bool
) -> None:
    """Average sub-frames around the time of a frame, in place; `moved` says that it is the second.

    Motion within a frame is taken as even and lies on both sides of the frame's own time: the flow stays that of the
    sharp scene.
    """
    x, y = grid
    pairs = (shutter > 0).nonzero()[:, 0]
    if not len(pairs):
        return
    number = torch.full_like(shutter, -1, dtype=torch.long)
    number[pairs] = torch.arange(len(pairs), device=number.device)
    rows = (number[moving.layers.pair] >= 0).nonzero()[:, 0]
    layers, few = moving.layers.choose(rows, number), textures[rows]
    before_x, before_y = to_frame1(pick(moving.motion, rows), x, y)
    drift_x, drift_y = before_x - x, before_y - y
    middle_x, middle_y = (before_x, before_y) if moved else (x, y)
    open_time = shutter[moving.layers.pair[rows], None, None]
    total = frame[pairs]
    for exposure in range(EXPOSURES):
        time = (exposure - EXPOSURES // 2) / (EXPOSURES - 1)
        if time:
            sub_x, sub_y = middle_x + drift_x * (open_time * time), middle_y + drift_y * (open_time * time)
            total = total + composite(layers, few, sub_x, sub_y, len(pairs))[0]
    frame[pairs] = total / EXPOSURES
