"""How the layers of the synthetic world move: homographies from frame 1 to frame 2, and smooth deformations.

Coordinates are pixels relative to the centre of the tile. A layer's motion is the homography M (frame 1 -> frame 2)
with, for some layers, a wave on top that lives in frame 2: frame 2's point p shows frame 1's point `M^-1 p + wave(p)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

WAVES = 2


@dataclass(frozen=True)
class LayerMotion:
    """Motion of `(B, L)` layers, or of `(N,)` once the absent ones are left out.

    Attributes:
        forward: `(B, L, 3, 3)`, frame 1 -> frame 2.
        inverse: `(B, L, 3, 3)`, frame 2 -> frame 1.
        waves: `(B, L, WAVES, 5)`: wave vector x, y in radians per pixel, phase, amplitude x, y in pixels.
    """

    forward: Tensor
    inverse: Tensor
    waves: Tensor


def uniform(generator: Generator, low: float, high: float, *shape: int) -> Tensor:
    """Draw float32 of `shape` between `low` and `high` on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def make_motion(generator: Generator, batch: int, layers: int, largest: float, radius: float) -> LayerMotion:
    """Draw the motion of every layer; layer 0 is the background.

    Args:
        generator: source of randomness; its device is the result's.
        batch: frame pairs.
        layers: layers per pair.
        largest: longest background translation in pixels; lengths are log-uniform from 0.1.
        radius: half a tile's diagonal in pixels: where rotation, zoom, shear and perspective move as far as the
            translation does.
    """
    length = torch.exp(uniform(generator, math.log(0.1), math.log(largest), batch, layers))
    angle = uniform(generator, 0, 2 * math.pi, batch, layers)
    translation = torch.stack((length * angle.cos(), length * angle.sin()), dim=-1)
    # Objects mostly move with the background (the camera moves), plus something of their own.
    shared = (uniform(generator, 0, 1, batch, 1, 1) < 0.6).float()
    translation[:, 1:] += shared * translation[:, :1]
    linear_scale = (length / radius)[..., None, None].clamp(max=0.25)
    kind = uniform(generator, 0, 1, batch, layers)[..., None, None]
    linear = torch.randn(batch, layers, 2, 2, generator=generator, device=generator.device)
    zoom = torch.eye(2, device=generator.device) * uniform(generator, -1.5, 1.5, batch, layers, 1, 1)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], device=generator.device) * uniform(
        generator, -1.5, 1.5, batch, layers, 1, 1
    )
    linear = torch.where(kind < 0.25, zoom, torch.where(kind < 0.5, turn, linear * 0.6))
    linear = torch.where(kind > 0.8, torch.zeros_like(linear), linear)  # one in five only translates
    perspective = torch.randn(batch, layers, 2, generator=generator, device=generator.device)
    perspective = perspective * linear_scale[..., 0] * 0.3 / radius
    perspective *= (uniform(generator, 0, 1, batch, layers, 1) < 0.3).float()
    forward = torch.eye(3, device=generator.device).repeat(batch, layers, 1, 1)
    forward[..., :2, :2] += linear * linear_scale
    forward[..., :2, 2] = translation
    forward[..., 2, :2] = perspective
    return LayerMotion(forward, torch.linalg.inv(forward), make_waves(generator, batch, layers))


def make_waves(generator: Generator, batch: int, layers: int) -> Tensor:
    """Draw the deformation of one layer in four: wavelengths of 30 to 120 px, gradients below 0.2."""
    wavelength = uniform(generator, 30, 120, batch, layers, WAVES)
    angle = uniform(generator, 0, 2 * math.pi, batch, layers, WAVES)
    phase = uniform(generator, 0, 2 * math.pi, batch, layers, WAVES)
    # The sum of the gradients stays below 0.2, so that the inverse by fixed-point iteration converges fast.
    amplitude = uniform(generator, -1, 1, 2, batch, layers, WAVES) * wavelength * (0.1 / WAVES / (2 * math.pi) * 1.5)
    amplitude = amplitude * (uniform(generator, 0, 1, batch, layers, 1) < 0.25)
    number = 2 * math.pi / wavelength
    return torch.stack((number * angle.cos(), number * angle.sin(), phase, amplitude[0], amplitude[1]), dim=-1)


def apply_homography(matrix: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Map points x, y `(..., H, W)` by `(..., 3, 3)`; the horizon is kept at a distance."""
    m = matrix[..., None, None]
    depth = (m[..., 2, 0, :, :] * x + m[..., 2, 1, :, :] * y + m[..., 2, 2, :, :]).clamp(min=0.2)
    new_x = (m[..., 0, 0, :, :] * x + m[..., 0, 1, :, :] * y + m[..., 0, 2, :, :]) / depth
    new_y = (m[..., 1, 0, :, :] * x + m[..., 1, 1, :, :] * y + m[..., 1, 2, :, :]) / depth
    return new_x, new_y


def wave_displacement(waves: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate `(..., WAVES, 5)` at points `(..., H, W)`."""
    w = waves[..., None, None]  # (..., WAVES, 5, 1, 1)
    sine = torch.sin(w[..., 0, :, :] * x[..., None, :, :] + w[..., 1, :, :] * y[..., None, :, :] + w[..., 2, :, :])
    return (w[..., 3, :, :] * sine).sum(-3), (w[..., 4, :, :] * sine).sum(-3)


def is_waving(waves: Tensor) -> Tensor:
    """Say which layers deform, bool `(...)`; the others are spared the sines."""
    return (waves[..., 3:] != 0).flatten(-2).any(-1)


def to_frame1(motion: LayerMotion, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where each point of frame 2, `(H, W)` or `(..., H, W)`, lies in frame 1 for every layer: `(..., H, W)` each."""
    x1, y1 = apply_homography(motion.inverse, x, y)
    waving = is_waving(motion.waves)
    dx, dy = wave_displacement(motion.waves[waving], x.expand_as(x1)[waving], y.expand_as(y1)[waving])
    x1[waving] += dx
    y1[waving] += dy
    return x1, y1


def to_frame2(forward: Tensor, waves: Tensor, x: Tensor, y: Tensor, iterations: int = 5) -> tuple[Tensor, Tensor]:
    """Solve `M^-1 p + wave(p) = (x, y)` for p, by fixed-point iteration (error below 1e-3 px).

    Args:
        forward: `(..., 3, 3)`.
        waves: `(..., WAVES, 5)`.
        x: points of frame 1, `(..., H, W)` or `(H, W)`.
        y: the same shape.
        iterations: each shrinks the error about fivefold; layers without waves need none.
    """
    x2, y2 = apply_homography(forward, x, y)
    waving = is_waving(waves)
    forward, waves = forward[waving], waves[waving]
    x, y = x.expand_as(x2)[waving], y.expand_as(y2)[waving]
    bent_x, bent_y = x2[waving], y2[waving]
    for _ in range(iterations):
        dx, dy = wave_displacement(waves, bent_x, bent_y)
        bent_x, bent_y = apply_homography(forward, x - dx, y - dy)
    x2[waving], y2[waving] = bent_x, bent_y
    return x2, y2
