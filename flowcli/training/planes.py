"""A camera that moves over a ground plane before a far wall, as in driving: the homographies of planar parallax.

A point X of camera 1 is R X + T in camera 2. For points on the plane n . X = d that is the homography R + T n^T / d
(Hartley and Zisserman, "Multiple View Geometry", 2nd ed., section 13.1). The camera stands one unit above the ground;
a plane z = Z faces it. Seen from it the ground at depth Z lies f / Z pixels below the horizon, so "pixels below the
horizon" (`below`) serves as inverse depth, and the wall meets the ground in a line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from flowcli.training.motion import LayerMotion, uniform
from flowcli.training.outlines import EDGES, NOWHERE

SHARE = 0.3
"""Share of the pairs seen by a moving camera; the others are layers that move as they like."""

MOVING_OBJECTS = 0.4
"""Share of the objects over such a ground that move by themselves."""

STEEPEST = 0.35
"""Largest change of depth between the frames, of what is nearest, as a share of that depth."""


@dataclass(frozen=True)
class View:
    """How camera 1 sees the scene, for `(B,)` pairs; pixels relative to the window's centre.

    Attributes:
        focal: focal length in pixels.
        principal: `(B, 2)` principal point; the window is a part of a frame, so it may lie outside.
        roll: angle of the camera about its axis in radians; 0 has the ground below, pi / 2 at a side.
        line: pixels below the horizon where the wall meets the ground.
        nearest: pixels below the horizon of the lowest corner of the window.
    """

    focal: Tensor
    principal: Tensor
    roll: Tensor
    line: Tensor
    nearest: Tensor


@dataclass(frozen=True)
class Planes:
    """Which of the `(B, L)` layers are planes of the scene: a ground, a facade.

    Attributes:
        chosen: bool `(B, L)`; the values of the other layers mean nothing.
        edges: `(B, L, EDGES, 3)`: unit normal x, y and offset; the plane covers n . p < offset for all of them.
        texture: `(B, L, 3, 3)`, pixel of frame 1 -> place on the plane, in units of a pixel in the middle of it.
    """

    chosen: Tensor
    edges: Tensor
    texture: Tensor


def make_view(generator: Generator, batch: int, size: tuple[int, int]) -> View:
    """Draw a camera for windows of `size` (height, width)."""
    height, width = size
    focal = torch.exp(uniform(generator, math.log(0.7), math.log(3.0), batch)) * width
    # Mostly upright; some see a wall beside them, which is a ground on its side, or a ceiling.
    kind = uniform(generator, 0, 1, batch)
    roll = uniform(generator, -0.1, 0.1, batch)
    roll = torch.where(kind > 0.75, roll + math.pi / 2 * torch.sign(kind - 0.85), roll)
    roll = torch.where(kind > 0.95, uniform(generator, -math.pi, math.pi, batch), roll)
    side = uniform(generator, -1, 1, batch) * width
    horizon = uniform(generator, -1.2, 0.3, batch) * height
    cos, sin = roll.cos(), roll.sin()
    principal = torch.stack((cos * side - sin * horizon, sin * side + cos * horizon), -1)
    nearest = (sin.abs() * width + cos.abs() * height) / 2 - horizon
    line = uniform(generator, 0.02, 0.6, batch) * nearest
    return View(focal, principal, roll, line, nearest)


def calibration(view: View) -> Tensor:
    """Matrix from camera coordinates to pixels, `(B, 3, 3)`."""
    cos, sin, zero = view.focal * view.roll.cos(), view.focal * view.roll.sin(), torch.zeros_like(view.roll)
    rows = (cos, -sin, view.principal[:, 0], sin, cos, view.principal[:, 1], zero, zero, zero + 1)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def ground_homography(view: View, rotation: Tensor, translation: Tensor) -> Tensor:
    """Homography in pixels of the ground, `(B, 3, 3)`, for R `(B, 3, 3)` and T `(B, 3)` in camera heights."""
    normal = torch.tensor([0.0, 1.0, 0.0], device=rotation.device)
    k = calibration(view)
    return k @ (rotation + translation[..., None] * normal) @ torch.linalg.inv(k)


def facing_homography(view: View, rotation: Tensor, translation: Tensor, below: Tensor) -> Tensor:
    """Homography in pixels of planes that face the camera, `(B, P, 3, 3)`, and stand `below` `(B, P)` on the ground."""
    axis = torch.tensor([0.0, 0.0, 1.0], device=rotation.device)
    inverse_depth = (below / view.focal[:, None])[..., None, None]
    k = calibration(view)[:, None]
    plane = rotation[:, None] + translation[:, None, :, None] * axis * inverse_depth
    return k @ plane @ torch.linalg.inv(k)


def small_rotation(angles: Tensor) -> Tensor:
    """Rotation matrices `(B, 3, 3)` of rotation vectors `(B, 3)` in radians."""
    x, y, z = angles.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(skew)


def make_camera_motion(
    generator: Generator, view: View, size: tuple[int, int], largest: float
) -> tuple[Tensor, Tensor]:
    """Draw R `(B, 3, 3)` and T `(B, 3)` such that the fastest pixel moves by 0.3 to about `largest` pixels."""
    batch = view.focal.shape[0]
    height, width = size
    far_x, far_y = view.principal[:, 0].abs() + width / 2, view.principal[:, 1].abs() + height / 2
    farthest = torch.hypot(far_x, far_y)  # from the focus of expansion
    length = torch.exp(uniform(generator, math.log(0.3), math.log(max(largest, 0.6)), batch))
    kind = uniform(generator, 0, 1, batch)  # half go straight ahead, a quarter sideways, a quarter both
    ahead, aside = (kind < 0.75).float(), (kind > 0.5).float()
    backwards = torch.where(uniform(generator, 0, 1, batch) < 0.15, -1.0, 1.0)
    closing = (ahead * length / farthest).clamp(max=STEEPEST) * backwards  # change of depth of what is nearest
    sideways = aside * length * uniform(generator, -1, 1, batch)
    upwards = aside * length * uniform(generator, -0.3, 0.3, batch)
    translation = torch.stack((sideways, upwards, -closing * view.focal), -1) / view.nearest[:, None]
    turns = (uniform(generator, 0, 1, batch, 3) < 0.4).float()
    pixels = torch.randn(batch, 3, generator=generator, device=generator.device) * 0.4 * length[:, None] * turns
    angles = pixels / torch.stack((view.focal, view.focal, farthest), -1)
    return small_rotation(angles), translation


def add_camera(
    generator: Generator, motion: LayerMotion, size: tuple[int, int], largest: float, share: float = SHARE
) -> tuple[LayerMotion, Planes]:
    """Give a share of the pairs a moving camera: layer 0 becomes the wall, 1 the ground, the others stand on it.

    Args:
        generator: source of randomness.
        motion: the layers' own motions, `(B, L)` with L >= 2; kept where there is no camera.
        size: (height, width) of the window.
        largest: longest motion in pixels.
        share: of the pairs.
    """
    batch, layers = motion.forward.shape[:2]
    view = make_view(generator, batch, size)
    rotation, translation = make_camera_motion(generator, view, size, largest)
    below = view.line[:, None] + uniform(generator, 0, 1, batch, layers - 1) * (view.nearest - view.line)[:, None]
    below = torch.cat((view.line[:, None], below), 1)
    forward = facing_homography(view, rotation, translation, below)
    forward[:, 1] = ground_homography(view, rotation, translation)
    own = uniform(generator, 0, 1, batch, layers) < MOVING_OBJECTS
    own[:, :2] = False
    forward = torch.where(own[..., None, None], motion.forward @ forward, forward)
    chosen = uniform(generator, 0, 1, batch) < share
    forward = torch.where(chosen[:, None, None, None], forward, motion.forward)
    waves = motion.waves.clone()
    waves[:, :2] *= ~chosen[:, None, None, None]  # walls and grounds do not wave
    moved = LayerMotion(forward, torch.linalg.inv(forward), waves)
    is_plane = torch.zeros(batch, layers, dtype=torch.bool, device=chosen.device)
    is_plane[:, 1] = chosen
    edges = torch.zeros(batch, layers, EDGES, 3, device=chosen.device)
    edges[..., 2] = NOWHERE
    edges[:, 1, 0] = ground_edge(view)
    texture = torch.eye(3, device=chosen.device).repeat(batch, layers, 1, 1)
    texture[:, 1] = ground_texture(view)
    return moved, Planes(is_plane, edges, texture)


def ground_edge(view: View) -> Tensor:
    """Where the wall meets the ground, `(B, 3)`; see `Planes`."""
    up = torch.stack((view.roll.sin(), -view.roll.cos()), -1)
    return torch.cat((up, (up * view.principal).sum(-1, keepdim=True) - view.line[:, None]), -1)


def ground_texture(view: View) -> Tensor:
    """Homography from pixels to the ground, `(B, 3, 3)`; see `Planes`."""
    middle = (view.line + view.nearest) / 2
    zero = torch.zeros_like(middle)
    rows = (view.focal, zero, zero, zero, zero, middle, zero, view.focal / middle, zero)
    return torch.stack(rows, -1).unflatten(-1, (3, 3)) @ torch.linalg.inv(calibration(view))
