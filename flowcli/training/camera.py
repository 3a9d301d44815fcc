"""What light and camera do to a scene: shadow, highlight, vignette, exposure, blur, noise, grey, 8 bits, compression.

A window is mostly a part of a pyramid level, which down-sampling has made sharp and clean; some are cut from the full
frame, with the softness, the noise and the compression of the sensor and the file.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.training.jpeg import BLOCK, compress
from flowcli.training.motion import uniform

FULL_SIZE = 0.35
"""Share of the pairs that are cut from the full frame; the rest is a level of the pyramid."""

COMPRESSED = 0.6
"""Share of the full-size pairs with compression, quality 25 to 95."""

GREY = 0.25
VIGNETTE = 0.2
HIGHLIGHT = 0.12
STATIC_SHADOW = 0.2
CHANGING_SHADOW = 0.2
DEFOCUS = 0.12

BLUR_REACH = 4
"""Half width of the blur's kernel in pixels."""


def expose(generator: Generator, frame1: Tensor, frame2: Tensor) -> tuple[Tensor, Tensor]:
    """Take the pictures of a scene, `(B, 3, H, W)` and `(B, 3, H + 2 m, W + 2 m)` in 0..1; the result has 8 bits."""
    full_size = _some(generator, frame1.shape[0], FULL_SIZE)
    frame1, frame2 = change_light(generator, frame1, frame2)
    sigma = _choose_blur(generator, full_size)
    frame1, frame2 = (blur(frame, sigma) for frame in (frame1, frame2))
    frame1, frame2 = add_noise(generator, frame1, frame2, full_size)
    return compress_some(generator, frame1, frame2, full_size)


def _some(generator: Generator, batch: int, share: float) -> Tensor:
    return uniform(generator, 0, 1, batch, 1, 1, 1) < share


def change_light(generator: Generator, frame1: Tensor, frame2: Tensor) -> tuple[Tensor, Tensor]:
    """Contrast and brightness of both frames, light that stays where it is in the picture, light that changes."""
    batch, size, margin = frame1.shape[0], frame2.shape[2:], (frame2.shape[2] - frame1.shape[2]) // 2
    window = (..., slice(margin, size[0] - margin), slice(margin, size[1] - margin))
    contrast = uniform(generator, 0.35, 1.1, batch, 1, 1, 1)
    brightness = uniform(generator, -0.2, 0.2, batch, 1, 1, 1) + 0.5 - 0.5 * contrast
    y, x = (torch.linspace(-1, 1, side, device=frame1.device) for side in size)
    shade = vignette(generator, batch, x, y[:, None]) * soft_shadow(generator, batch, x, y[:, None], STATIC_SHADOW)
    shine = highlight(generator, batch, x, y[:, None])
    changed = soft_shadow(generator, batch, x, y[:, None], CHANGING_SHADOW)
    gain = 1 + _some(generator, batch, 0.4) * uniform(generator, -0.12, 0.12, batch, 3, 1, 1)
    bias = _some(generator, batch, 0.4) * uniform(generator, -0.05, 0.05, batch, 3, 1, 1)
    grey = _some(generator, batch, GREY)
    # A grey camera has one gain.
    gain, bias = (torch.where(grey, value.mean(1, keepdim=True), value) for value in (gain, bias))
    frame1 = (frame1 * contrast + brightness) * shade[window] + shine[window]
    frame2 = ((frame2 * contrast + brightness) * shade + shine) * (gain * changed) + bias
    rows = grey.flatten().nonzero()[:, 0]
    for frame in (frame1, frame2):
        frame[rows] = frame[rows].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return frame1, frame2


def vignette(generator: Generator, batch: int, x: Tensor, y: Tensor) -> Tensor:
    """Darkening away from the middle of the frame, which may lie outside the window: factors `(B, 1, H, W)`."""
    centre_x, centre_y = uniform(generator, -1, 1, 2, batch, 1, 1, 1)
    strength = uniform(generator, 0.05, 0.25, batch, 1, 1, 1) * _some(generator, batch, VIGNETTE)
    return 1 - strength * ((x - centre_x).square() + (y - centre_y).square()).clamp(max=3)


def soft_shadow(generator: Generator, batch: int, x: Tensor, y: Tensor, share: float) -> Tensor:
    """A shadow with a straight soft edge that does not move with the scene: factors `(B, 1, H, W)`."""
    angle = uniform(generator, 0, 2 * math.pi, batch, 1, 1, 1)
    offset = uniform(generator, -0.8, 0.8, batch, 1, 1, 1)
    softness = torch.exp(uniform(generator, -3.0, 0.0, batch, 1, 1, 1))  # in half windows
    depth = uniform(generator, 0.05, 0.5, batch, 1, 1, 1) * _some(generator, batch, share)
    return 1 - depth * (0.5 + (angle.cos() * x + angle.sin() * y - offset) / softness).clamp_(0, 1)


def highlight(generator: Generator, batch: int, x: Tensor, y: Tensor) -> Tensor:
    """A bright spot that does not move with the surface: what to add, `(B, 1, H, W)`."""
    centre_x, centre_y = uniform(generator, -0.8, 0.8, 2, batch, 1, 1, 1)
    size_x, size_y = uniform(generator, 0.08, 0.6, 2, batch, 1, 1, 1)
    strength = uniform(generator, 0.1, 0.6, batch, 1, 1, 1) * _some(generator, batch, HIGHLIGHT)
    distance = ((x - centre_x) / size_x).square() + ((y - centre_y) / size_y).square()
    return strength * torch.exp(-distance)


def _choose_blur(generator: Generator, full_size: Tensor) -> Tensor:
    """Standard deviation of the blur in pixels, `(B,)`: the lens and sensor at full size, sometimes out of focus."""
    batch = full_size.shape[0]
    optics = uniform(generator, 0.3, 0.9, batch) * full_size.flatten()
    defocus = uniform(generator, 0.5, 1.6, batch) * _some(generator, batch, DEFOCUS).flatten()
    return torch.hypot(optics, defocus)


def blur(frames: Tensor, sigma: Tensor) -> Tensor:
    """Blur each of `(B, C, H, W)` with a Gaussian of its own standard deviation in pixels, `(B,)`; 0 is no blur."""
    rows = (sigma > 0).nonzero()[:, 0]
    if not len(rows):
        return frames
    offset = torch.arange(-BLUR_REACH, BLUR_REACH + 1, device=frames.device)
    kernel = torch.exp(-0.5 * (offset / sigma[rows, None]).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(frames.shape[1], 0)[:, None, None]
    flat = frames[rows].flatten(0, 1)[None]
    groups = flat.shape[1]
    wide = F.pad(flat, (BLUR_REACH,) * 4, mode="replicate")
    wide = F.conv2d(wide, kernel, groups=groups)
    wide = F.conv2d(wide, kernel.transpose(2, 3), groups=groups)
    result = frames.clone()
    result[rows] = wide.view_as(frames[rows])
    return result


def add_noise(generator: Generator, frame1: Tensor, frame2: Tensor, full_size: Tensor) -> tuple[Tensor, Tensor]:
    """Sensor noise up to 2.5 %, a fifth of it where down-sampling has averaged it; then 8 bits."""
    batch = frame1.shape[0]
    sigma = uniform(generator, 0, 0.025, batch, 1, 1, 1) * torch.where(full_size, 1.0, 0.2)
    sigma = sigma * _some(generator, batch, 0.8)
    noisy = []
    for frame in (frame1, frame2):
        # A grey picture has the same noise in all its channels.
        grey = (frame[:, :1] == frame[:, 1:]).flatten(1).all(1)[:, None, None, None]
        noise = torch.randn(frame.shape, generator=generator, device=frame.device)
        noisy.append(_to_8_bits(frame + torch.where(grey, noise[:, :1], noise) * sigma))
    return noisy[0], noisy[1]


def compress_some(generator: Generator, frame1: Tensor, frame2: Tensor, full_size: Tensor) -> tuple[Tensor, Tensor]:
    """Compress a share of the full-size pairs; the blocks lie on the same grid in both frames, as in a video."""
    batch = frame1.shape[0]
    quality = uniform(generator, 25, 95, batch)
    first = torch.randint(BLOCK, (2,), generator=generator, device=generator.device).tolist()
    rows = (_some(generator, batch, COMPRESSED) & full_size).flatten().nonzero()[:, 0]
    if not len(rows):
        return frame1, frame2
    margin = (frame2.shape[2] - frame1.shape[2]) // 2
    for frame, shift in ((frame1, 0), (frame2, margin)):
        phase = (first[0] + shift) % BLOCK, (first[1] + shift) % BLOCK
        frame[rows] = _to_8_bits(compress(frame[rows], quality[rows], phase))
    return frame1, frame2


def _to_8_bits(frame: Tensor) -> Tensor:
    return (frame.clamp(0, 1) * 255).round() / 255
