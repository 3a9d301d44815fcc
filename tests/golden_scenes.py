"""Three small scenes with exact flow, rendered by the tests themselves so that no change of the project moves them.

Each is a background and one object in front of it: textures of filtered noise, moved by affine maps and sampled
bilinearly at the place where a pixel of either frame comes from.
"""

from dataclasses import dataclass

import cv2
import numpy as np

HEIGHT, WIDTH = 160, 224


@dataclass(frozen=True)
class Scene:
    """uint8 frames `(H, W, 3)`, float32 flow `(H, W, 2)`, and where frame 2 shows what frame 1 does, bool `(H, W)`."""

    frame1: np.ndarray
    frame2: np.ndarray
    flow: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class Layer:
    """A texture, the affine map `(2, 3)` of its points from frame 1 to 2, and its outline in frame 1 (None: all)."""

    texture: np.ndarray
    motion: np.ndarray
    outline: np.ndarray | None = None


def make_texture(seed):
    """Float32 `(2 H, 2 W, 3)` in [0, 1]: noise of several octaves."""
    rng = np.random.default_rng(seed)
    total = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.float32)
    for sigma in (1.2, 3.0, 8.0, 20.0):
        noise = rng.standard_normal(total.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        total += smooth / smooth.std()
    return np.clip(0.5 + total / 9, 0, 1)


def affine(right, down, turn=0.0, zoom=1.0):
    """A turn in radians and a zoom about the frame's centre, then a shift in pixels."""
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    x, y = WIDTH / 2, HEIGHT / 2
    return np.array([[c, -s, x - c * x + s * y + right], [s, c, y - s * x - c * y + down]])


def make_scene(layers, light=None):
    """Render layers, the rearmost first; `light` maps frame 2's values in [0, 1] to others."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    frame1, frame2 = (np.zeros((HEIGHT, WIDTH, 3), np.float32) for _ in range(2))
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    owner1, owner2 = (np.zeros((HEIGHT, WIDTH), int) for _ in range(2))
    for number, layer in enumerate(layers):
        inverse = cv2.invertAffineTransform(layer.motion)
        x1, y1 = (inverse[k, 0] * x + inverse[k, 1] * y + inverse[k, 2] for k in (0, 1))
        outline = np.ones((HEIGHT, WIDTH), np.float32) if layer.outline is None else layer.outline
        inside1 = outline > 0.5
        border = 1 if layer.outline is None else 0
        inside2 = _sample(outline, x1, y1, border) > 0.5
        frame1[inside1] = _sample(layer.texture, x + WIDTH / 2, y + HEIGHT / 2)[inside1]
        frame2[inside2] = _sample(layer.texture, x1 + WIDTH / 2, y1 + HEIGHT / 2)[inside2]
        moved = np.stack([layer.motion[k, 0] * x + layer.motion[k, 1] * y + layer.motion[k, 2] for k in (0, 1)], -1)
        flow[inside1] = (moved - np.stack((x, y), -1))[inside1]
        owner1[inside1], owner2[inside2] = number, number
    landing = np.rint(flow + np.stack((x, y), -1)).astype(int)
    within = ((landing >= 0) & (landing < (WIDTH, HEIGHT))).all(-1)
    column, row = (np.clip(landing[..., k], 0, side - 1) for k, side in enumerate((WIDTH, HEIGHT)))
    visible = within & (owner2[row, column] == owner1)
    if light is not None:
        frame2 = np.clip(light(frame2), 0, 1)
    return Scene(*(np.rint(frame * 255).astype(np.uint8) for frame in (frame1, frame2)), flow, visible)


def _sample(image, x, y, border=None):
    mode = cv2.BORDER_REFLECT if border is None else cv2.BORDER_CONSTANT
    maps = (x.astype(np.float32), y.astype(np.float32))
    return cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=mode, borderValue=0 if border is None else border)


def ellipse(x, y, width, height):
    """Float32 `(H, W)`, 1 inside."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 < 1).astype(np.float32)


SCENES = {
    "large motion": lambda: make_scene(
        [
            Layer(make_texture(1), affine(-24, 5, 0.05, 1.06)),
            Layer(make_texture(2), affine(-31, 9), ellipse(140, 90, 40, 28)),
        ]
    ),
    "occlusion": lambda: make_scene(
        [Layer(make_texture(3), affine(5, -2, -0.02)), Layer(make_texture(4), affine(-16, 6), ellipse(105, 70, 55, 45))]
    ),
    "light change": lambda: make_scene(
        [Layer(make_texture(5), affine(4, 3, 0.03)), Layer(make_texture(6), affine(9, -4), ellipse(80, 85, 45, 30))],
        light=lambda frame: 0.7 * frame**1.2 + 0.27,
    ),
}
