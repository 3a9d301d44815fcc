"""Textures for the synthetic world: spectral noise, dead leaves, patterns, and photos where the user points at some.

Everything is drawn from one numpy generator, so a seed fixes the bank. Sizes are in texels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from flowcli.flow import Frame

SIDE = 256
"""Side of every texture."""

Texture = NDArray[np.uint8]


def make_texture_bank(rng: Generator, count: int, photos: Sequence[Frame] = (), photo_share: float = 0.5) -> Texture:
    """Make `count` textures, uint8 `(count, 3, 256, 256)` RGB; `photo_share` of them are cut from `photos` if any."""
    bank = np.empty((count, 3, SIDE, SIDE), np.uint8)
    for index in range(count):
        if photos and rng.random() < photo_share:
            texture = cut_photo(rng, photos[int(rng.integers(len(photos)))])
        else:
            texture = MAKERS[int(rng.integers(len(MAKERS)))](rng)
        bank[index] = texture.transpose(2, 0, 1)
    return bank


def make_noise(rng: Generator) -> Texture:
    """Noise of spectrum 1/f^a, a in 0.6..1.8, in a random mix of colours."""
    return _to_bytes(_colour(_spectral_noise(rng, rng.uniform(0.6, 1.8)), rng), rng)


def _spectral_noise(rng: Generator, exponent: float) -> NDArray[np.float64]:
    """Three independent channels of spectrum 1/f^exponent and unit variance."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    frequency[0, 0] = 1
    amplitude = frequency**-exponent
    amplitude[0, 0] = 0
    spectrum = amplitude * np.exp(2j * np.pi * rng.random((3, *frequency.shape)))
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE)).transpose(1, 2, 0)
    return noise / noise.std()


def _colour(noise: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    # Natural colours are mostly one brightness with a little of the two others.
    return noise @ (np.full((3, 3), 0.6) + rng.normal(0, 0.35, (3, 3)))


def make_leaves(rng: Generator) -> Texture:
    """Dead leaves: opaque shapes of power-law sizes over each other, some shaded, some themselves noisy."""
    image = np.full((SIDE, SIDE, 3), rng.uniform(0, 255, 3), np.uint8)
    palette = rng.uniform(0, 255, (int(rng.integers(3, 12)), 3))
    smallest = float(rng.uniform(2, 10))
    for _ in range(int(rng.integers(60, 400))):
        radius = min(smallest / np.sqrt(rng.random() + 1e-3), 90.0)
        colour = tuple(float(c) for c in np.clip(palette[rng.integers(len(palette))] + rng.normal(0, 18, 3), 0, 255))
        draw_shape(rng, image, radius, colour)
    shaded = image.astype(np.float32)
    if rng.random() < 0.7:
        grain = make_noise(rng).astype(np.float32) - 128
        shaded += grain * rng.uniform(0.05, 0.5)
    sigma = rng.uniform(0, 1.2)
    if sigma > 0.3:
        shaded = cv2.GaussianBlur(shaded, (0, 0), sigma)
    return np.clip(shaded, 0, 255).astype(np.uint8)


def draw_shape(rng: Generator, image: Texture, radius: float, colour: tuple[float, ...]) -> None:
    """Draw one anti-aliased ellipse, polygon or line of about `radius` texels at a random place."""
    x, y = (int(v) for v in rng.integers(0, SIDE, 2))
    kind = rng.random()
    if kind < 0.4:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    elif kind < 0.75:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        corners = np.stack((x + radius * np.cos(angles), y + radius * np.sin(angles)), axis=1)
        cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    else:
        angle, length = rng.uniform(0, np.pi), radius * 4
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(image, (x, y), end, colour, int(rng.integers(1, 5)), cv2.LINE_AA)


def make_stripes(rng: Generator) -> Texture:
    """Repeated texture: a product of two waves, smooth or squared, under a little noise."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    pattern = np.ones((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 40)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period) + rng.uniform(0, 7))
        pattern *= np.tanh(wave * rng.uniform(0.5, 6)) if rng.random() < 0.5 else wave
    noise = make_noise(rng).astype(np.float32) - 128
    image = 128 + pattern[..., None] * rng.uniform(-90, 90, 3) + noise * rng.uniform(0.02, 0.5)
    return np.clip(image, 0, 255).astype(np.uint8)


def make_bricks(rng: Generator) -> Texture:
    """Repeated texture with edges: a checkerboard, tiles or bricks with joints; every cell a little different."""
    width, height = (int(v) for v in rng.integers(5, 36, 2))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    row = y // height
    shifted = x + row * int(rng.integers(0, 2)) * (width // 2)  # bricks are laid with a half shift
    column = shifted // width
    joint = int(rng.integers(0, 3))
    is_joint = (y % height < joint) | (shifted % width < joint)
    light, dark = rng.uniform(0, 255, (2, 3))
    share = (row + column) % 2 if rng.random() < 0.5 else np.zeros_like(row)
    image = light + (dark - light) * share[..., None]
    cells = rng.normal(0, rng.uniform(0, 12), (SIDE // height + 1, int(column.max()) + 1))
    image = image + cells[row, column][..., None]
    image = np.where(is_joint[..., None], rng.uniform(0, 255, 3), image)
    return np.clip(image + (make_noise(rng) - 128.0) * rng.uniform(0.02, 0.3), 0, 255).astype(np.uint8)


def make_grain(rng: Generator) -> Texture:
    """Fine texture with little else: asphalt and gravel (faint), foliage and grass (strong, in clumps)."""
    noise = _spectral_noise(rng, rng.uniform(0, 0.5))
    if rng.random() < 0.5:
        return _to_bytes(_colour(noise, rng) * rng.uniform(0.1, 0.5), rng)
    fine = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.5))
    leaves = np.tanh(fine[..., :1] / fine.std() * rng.uniform(0.7, 3)) * (0.5 + rng.uniform(0.1, 0.4, 3))
    clumps = _colour(_spectral_noise(rng, 1.5), rng) * rng.uniform(0.2, 0.6)
    return _to_bytes(leaves + clumps, rng)


def make_plain(rng: Generator) -> Texture:
    """Next to no texture: a slow gradient with faint clouds, as of sky, walls and paint."""
    small = rng.normal(0, rng.uniform(2, 30), (3, 3, 1)) + rng.normal(0, 3, (3, 3, 3)) + rng.uniform(30, 225, 3)
    gradient = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    clouds = _colour(_spectral_noise(rng, 2.0), rng) * rng.uniform(0, 8)
    # Rounding at random keeps slow gradients from breaking into steps.
    return np.clip(gradient + clouds + rng.random((SIDE, SIDE, 1)), 0, 255).astype(np.uint8)


def cut_photo(rng: Generator, photo: Frame) -> Texture:
    """Cut a random square of at least a third of the photo's short side and bring it to the texture's side."""
    height, width = photo.shape[:2]
    short = min(height, width)
    side = int(min(short, max(SIDE * 0.5, short * rng.uniform(0.33, 1))))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    square = photo[top : top + side, left : left + side]
    shrinks = side > SIDE
    resized = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized.astype(np.uint8)


def _to_bytes(values: NDArray[np.float64], rng: Generator) -> Texture:
    contrast, centre = rng.uniform(15, 70), rng.uniform(60, 190, 3)
    return np.clip(values * contrast + centre, 0, 255).astype(np.uint8)


# Shapes over each other are the nearest to real pictures, so they come most often.
MAKERS: list[Callable[[Generator], Texture]] = [
    *(make_leaves, make_leaves, make_leaves, make_leaves),
    *(make_noise, make_noise),
    *(make_stripes, make_bricks, make_grain, make_plain),
]
