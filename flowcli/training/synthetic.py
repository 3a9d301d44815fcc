"""The synthetic world: textured layers that move, rendered exactly in both frames, with exact flow and occlusion.

A background and up to four shapes (closed curves with random harmonics), each a textured layer with its own motion
(`motion.py`). Every pixel of both frames is computed from the textures by the inverse map, so nothing is warped twice;
lighting, shadow and noise are added last. Everything runs as batched tensors on the generator's device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.estimator.warp import pixel_grid
from flowcli.training.motion import LayerMotion, make_motion, to_frame1, to_frame2, uniform

LAYERS = 5
HARMONICS = 4


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
    """What is random about a batch before it moves: textures, their placement and the layers' outlines."""

    textures: Tensor  # (B, L, 3, S, S) in 0..1
    placement: Tensor  # (B, L, 2, 3): frame 1 pixel -> texel / half side
    centre: Tensor  # (B, L, 2) of the outline
    radius: Tensor  # (B, L)
    harmonics: Tensor  # (B, L, HARMONICS, 2): relative amplitude, phase
    sharpness: Tensor  # (B, L): alpha ramps over 1 / sharpness pixels
    present: Tensor  # (B, L) bool


def make_pairs(
    generator: Generator, bank: Tensor, batch: int, size: tuple[int, int], margin: int, largest: float
) -> SyntheticPairs:
    """Render a batch.

    Args:
        generator: source of all randomness.
        bank: uint8 `(T, 3, S, S)` textures on the generator's device.
        batch: B.
        size: (H, W) of frame 1.
        margin: pixels of frame 2 around frame 1's window.
        largest: longest translation in pixels.
    """
    height, width = size
    radius = math.hypot(height, width) / 2
    motion = make_motion(generator, batch, LAYERS, largest, radius)
    world = _make_world(generator, bank, batch, size)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    grid1 = pixel_grid(height, width, generator.device)
    x1, y1 = grid1[0, 0] - centre_x, grid1[0, 1] - centre_y
    grid2 = pixel_grid(height + 2 * margin, width + 2 * margin, generator.device)
    x2, y2 = grid2[0, 0] - centre_x - margin, grid2[0, 1] - centre_y - margin

    everywhere = x1.expand(batch, LAYERS, -1, -1), y1.expand(batch, LAYERS, -1, -1)
    frame1, top1 = _composite(world, *everywhere)
    frame2, top2 = _composite(world, *to_frame1(motion, x2, y2))
    flow, landing = _follow(motion, top1, *everywhere, x1, y1)
    visible = _is_visible(top1, top2, landing, margin, centre_x, centre_y)
    frame1, frame2 = _expose(generator, frame1, frame2)
    return SyntheticPairs(frame1 * 2 - 1, frame2 * 2 - 1, flow, visible, margin)


def _make_world(generator: Generator, bank: Tensor, batch: int, size: tuple[int, int]) -> World:
    device, (height, width) = generator.device, size
    choice = torch.randint(bank.shape[0], (batch, LAYERS), generator=generator, device=device)
    channels = torch.rand(batch, LAYERS, 3, generator=generator, device=device).argsort(-1)
    textures = bank[choice[..., None], channels].float() / 255  # colours permuted
    texels = torch.exp(uniform(generator, math.log(0.5), math.log(1.4), batch, LAYERS))  # texels per pixel
    angle = uniform(generator, 0, 2 * math.pi, batch, LAYERS)
    side = bank.shape[-1] / 2
    cos, sin = texels / side * angle.cos(), texels / side * angle.sin()
    offset = uniform(generator, -0.7, 0.7, batch, LAYERS, 2)
    placement = torch.stack(
        (torch.stack((cos, -sin, offset[..., 0]), -1), torch.stack((sin, cos, offset[..., 1]), -1)), dim=-2
    )
    centre = torch.stack(
        (
            uniform(generator, -0.5, 0.5, batch, LAYERS) * width,
            uniform(generator, -0.5, 0.5, batch, LAYERS) * height,
        ),
        dim=-1,
    )
    radius = torch.exp(uniform(generator, math.log(4), math.log(0.6 * height), batch, LAYERS))
    amplitude = torch.rand(batch, LAYERS, HARMONICS, generator=generator, device=device) * 0.35
    amplitude = amplitude / torch.arange(1, HARMONICS + 1, device=device).sqrt()
    phase = uniform(generator, 0, 2 * math.pi, batch, LAYERS, HARMONICS)
    present = torch.rand(batch, LAYERS, generator=generator, device=device) < 0.5
    present[:, 0] = True
    sharpness = uniform(generator, 0.6, 2.0, batch, LAYERS)
    return World(textures, placement, centre, radius, torch.stack((amplitude, phase), -1), sharpness, present)


def _composite(world: World, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Paint the layers over each other at frame-1 points `(B, L, H, W)`: colours in 0..1, and the topmost layer."""
    batch, layers, height, width = x.shape
    p = world.placement[..., None, None]
    u = p[:, :, 0, 0] * x + p[:, :, 0, 1] * y + p[:, :, 0, 2]
    v = p[:, :, 1, 0] * x + p[:, :, 1, 1] * y + p[:, :, 1, 2]
    colours = F.grid_sample(
        world.textures.flatten(0, 1),
        torch.stack((u, v), -1).flatten(0, 1),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    ).view(batch, layers, 3, height, width)
    alpha = _alpha(world, x, y)  # (B, L, H, W)
    image = colours[:, 0]
    top = torch.zeros(batch, 1, height, width, dtype=torch.long, device=x.device)
    for layer in range(1, layers):
        weight = alpha[:, layer, None]
        image = image + weight * (colours[:, layer] - image)
        top = torch.where(weight > 0.5, layer, top)
    return image, top


def _alpha(world: World, x: Tensor, y: Tensor) -> Tensor:
    dx = x - world.centre[..., 0, None, None]
    dy = y - world.centre[..., 1, None, None]
    distance, angle = torch.hypot(dx, dy), torch.atan2(dy, dx)
    outline = torch.ones_like(distance)
    for number in range(HARMONICS):
        amplitude = world.harmonics[:, :, number, 0, None, None]
        outline += amplitude * torch.cos((number + 1) * angle + world.harmonics[:, :, number, 1, None, None])
    outline = outline.clamp(min=0.1) * world.radius[..., None, None]
    alpha = ((outline - distance) * world.sharpness[..., None, None] + 0.5).clamp(0, 1)
    return alpha * world.present[..., None, None]


def _follow(
    motion: LayerMotion, top: Tensor, x: Tensor, y: Tensor, x1: Tensor, y1: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Flow of the topmost layer at every pixel, and where it lands in frame 2: `(B, 2, H, W)`, x and y `(B, H, W)`."""
    x2, y2 = to_frame2(motion.forward, motion.waves, x, y)
    landing_x, landing_y = x2.gather(1, top)[:, 0], y2.gather(1, top)[:, 0]
    return torch.stack((landing_x - x1, landing_y - y1), 1), (landing_x, landing_y)


def _is_visible(
    top1: Tensor, top2: Tensor, landing: tuple[Tensor, Tensor], margin: int, centre_x: float, centre_y: float
) -> Tensor:
    """Say whether the layer seen in frame 1 is also the topmost one where it lands (and lands on the canvas)."""
    height, width = top2.shape[2:]
    column = (landing[0] + centre_x + margin).round()
    row = (landing[1] + centre_y + margin).round()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
    seen = top2.flatten(1).gather(1, index.flatten(1)).view_as(index)
    return (inside & (seen == top1[:, 0]))[:, None]


def _expose(generator: Generator, frame1: Tensor, frame2: Tensor) -> tuple[Tensor, Tensor]:
    """Light, shadow, grey, contrast, noise and 8 bits: what a camera does to a scene in 0..1."""
    batch, device = frame1.shape[0], generator.device

    def some(share: float) -> Tensor:
        return (torch.rand(batch, 1, 1, 1, generator=generator, device=device) < share).float()

    # The same scene, darker or flatter, in both frames; then a change of exposure and a shadow in the second.
    contrast = uniform(generator, 0.35, 1.1, batch, 1, 1, 1)
    brightness = uniform(generator, -0.2, 0.2, batch, 1, 1, 1)
    grey = some(0.25)
    gain = 1 + some(0.4) * uniform(generator, -0.12, 0.12, batch, 3, 1, 1)
    bias = some(0.4) * uniform(generator, -0.05, 0.05, batch, 3, 1, 1)
    shade = F.interpolate(uniform(generator, 0, 1, batch, 1, 3, 3), frame2.shape[2:], mode="bicubic")
    shadow = 1 - some(0.25) * uniform(generator, 0, 0.35, batch, 1, 1, 1) * shade.clamp(0, 1)
    sigma = some(0.7) * uniform(generator, 0, 0.025, batch, 1, 1, 1)
    frames = []
    for number, frame in enumerate((frame1, frame2)):
        frame = (frame - 0.5) * contrast + 0.5 + brightness
        frame = torch.lerp(frame, frame.mean(1, keepdim=True).expand_as(frame), grey)
        if number == 1:
            # A grey camera has one gain.
            frame = frame * torch.lerp(gain, gain.mean(1, keepdim=True).expand_as(gain), grey)
            frame = (frame + torch.lerp(bias, bias.mean(1, keepdim=True).expand_as(bias), grey)) * shadow
        noise = torch.randn(frame.shape, generator=generator, device=device) * sigma
        noise = torch.lerp(noise, noise[:, :1].expand_as(noise), grey)
        frames.append(((frame + noise).clamp(0, 1) * 255).round() / 255)
    return frames[0], frames[1]
