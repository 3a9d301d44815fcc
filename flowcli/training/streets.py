"""Streets: whole frames seen from a camera that drives along a road between facades.

Layer 0 is what closes the street (a wall, the sky), 1 the road, 2 and 3 facades at the left and at the right; the rest
stands on the road and faces the camera (`planes.py`). A facade is the plane X = side, in camera heights; a pixel (x, y)
from the principal point sees it at the depth f side / x, so there |x| serves as inverse depth.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from flowcli.training.motion import LayerMotion, uniform
from flowcli.training.outlines import EDGES, NOWHERE
from flowcli.training.planes import (
    Planes,
    View,
    calibration,
    facing_homography,
    ground_edge,
    ground_homography,
    ground_texture,
    small_rotation,
)

MOVING_OBJECTS = 0.4
"""Share of the objects on the road that move by themselves. With 0.2, and slower, the coarse network learned that what
moves otherwise than the scene is a wrong match: it laid a crossing car of KITTI 2015 down on the road."""

STANDING = 0.25
"""Share of the streets in which the camera does not drive."""

FACADES = 0.7
"""Chance of a facade at each side."""

FASTEST = 0.3
"""Largest change of depth between the frames, of the nearest road in sight, as a share of that depth."""

TURNS = 0.5
"""Share of the streets in which the camera turns."""


def make_street_view(generator: Generator, batch: int, size: tuple[int, int]) -> View:
    """Draw an upright camera whose principal point is near the middle of the frame."""
    height, width = size
    focal = torch.exp(uniform(generator, math.log(0.45), math.log(1.4), batch)) * max(width, 1.2 * height)
    roll = torch.randn(batch, generator=generator, device=generator.device) * 0.03
    side = uniform(generator, -0.15, 0.15, batch) * width
    horizon = uniform(generator, -0.3, 0.15, batch) * height
    cos, sin = roll.cos(), roll.sin()
    principal = torch.stack((cos * side - sin * horizon, sin * side + cos * horizon), -1)
    nearest = height / 2 - horizon
    line = uniform(generator, 0.02, 0.3, batch) * nearest
    return View(focal, principal, roll, line, nearest)


def make_drive(generator: Generator, view: View, size: tuple[int, int], largest: float) -> tuple[Tensor, Tensor]:
    """Draw R `(B, 3, 3)` and T `(B, 3)`, in camera heights: mostly ahead, some backwards or sideways, some turning."""
    batch = view.focal.shape[0]
    closing = torch.exp(uniform(generator, math.log(0.01), math.log(FASTEST), batch))
    closing = torch.where(uniform(generator, 0, 1, batch) < 0.12, -closing, closing)
    depth = view.focal / view.nearest
    aside = torch.exp(uniform(generator, math.log(0.1), math.log(largest), batch)) / view.nearest
    aside = aside * uniform(generator, -1, 1, batch) * (uniform(generator, 0, 1, batch) < 0.3)
    upwards = torch.randn(batch, generator=generator, device=generator.device) * 0.02 * closing.abs() * depth
    still = uniform(generator, 0, 1, batch) < STANDING
    translation = torch.stack((aside, upwards, torch.where(still, 0.0, -closing * depth)), -1)
    turning = (uniform(generator, 0, 1, batch) < TURNS).float()
    yaw = torch.randn(batch, generator=generator, device=generator.device) * 0.2 * largest * turning
    pitch = torch.randn(batch, generator=generator, device=generator.device) * 0.02 * size[0]
    pixels = torch.stack((pitch, yaw, pitch * 0.2), -1)
    return small_rotation(pixels / view.focal[:, None]), translation


def add_streets(
    generator: Generator, motion: LayerMotion, planes: Planes, size: tuple[int, int], largest: float, share: float
) -> tuple[LayerMotion, Planes]:
    """Turn a share of the pairs into streets.

    Args:
        generator: source of randomness.
        motion: the layers' motions, `(B, L)` with L >= 5; kept elsewhere.
        planes: kept elsewhere.
        size: (height, width) of the frame.
        largest: longest motion in pixels that turning and moving aside make.
        share: of the pairs.
    """
    batch, layers = motion.forward.shape[:2]
    view = make_street_view(generator, batch, size)
    rotation, translation = make_drive(generator, view, size, largest)
    # The nearer an object, the higher its layer.
    below, _ = uniform(generator, 0.1, 1.1, batch, layers - 4).sort(1)
    below = view.line[:, None] + below.square() * (view.nearest - view.line)[:, None]
    below = torch.cat((view.line[:, None].expand(-1, 4), below), 1)
    forward = facing_homography(view, rotation, translation, below)
    forward[:, 1] = ground_homography(view, rotation, translation)
    edges = torch.zeros(batch, layers, EDGES, 3, device=rotation.device)
    edges[..., 2] = NOWHERE
    edges[:, 1, 0] = ground_edge(view)
    texture = torch.eye(3, device=rotation.device).repeat(batch, layers, 1, 1)
    texture[:, 1] = ground_texture(view)
    is_plane = torch.zeros(batch, layers, dtype=torch.bool, device=rotation.device)
    is_plane[:, 1] = True
    for slot, sign in ((2, -1.0), (3, 1.0)):
        side = sign * torch.exp(uniform(generator, math.log(1.5), math.log(12), batch))
        forward[:, slot] = facade_homography(view, rotation, translation, side)
        edges[:, slot, :4], middle = facade_edges(generator, view, side, size)
        texture[:, slot] = facade_texture(view, middle)
        is_plane[:, slot] = uniform(generator, 0, 1, batch) < FACADES
    own = uniform(generator, 0, 1, batch, layers) < MOVING_OBJECTS
    own[:, :4] = False
    forward = torch.where(own[..., None, None], make_traffic(generator, batch, layers, largest) @ forward, forward)
    chosen = uniform(generator, 0, 1, batch) < share
    forward = torch.where(chosen[:, None, None, None], forward, motion.forward)
    waves = motion.waves.clone()
    waves[:, :4] *= ~chosen[:, None, None, None]
    return LayerMotion(forward, torch.linalg.inv(forward), waves), Planes(
        torch.where(chosen[:, None], is_plane, planes.chosen),
        torch.where(chosen[:, None, None, None], edges, planes.edges),
        torch.where(chosen[:, None, None, None], texture, planes.texture),
    )


def make_traffic(generator: Generator, batch: int, layers: int, largest: float) -> Tensor:
    """Draw own motions, `(B, L, 3, 3)`: translations of 0.5 px to `largest`, most of them across, as traffic goes."""
    length = torch.exp(uniform(generator, math.log(0.5), math.log(largest), batch, layers))
    angle = uniform(generator, 0, 2 * math.pi, batch, layers)
    across = (uniform(generator, 0, 1, batch, layers) < 0.7).float()
    traffic = torch.eye(3, device=length.device).repeat(batch, layers, 1, 1)
    traffic[..., 0, 2] = length * torch.where(across.bool(), angle.cos().sign(), angle.cos())
    traffic[..., 1, 2] = length * angle.sin() * (1 - 0.9 * across)
    return traffic


def facade_homography(view: View, rotation: Tensor, translation: Tensor, side: Tensor) -> Tensor:
    """Homography in pixels of the planes X = side, `(B, 3, 3)`."""
    normal = torch.tensor([1.0, 0.0, 0.0], device=rotation.device)
    k = calibration(view)
    return k @ (rotation + translation[..., None] * normal / side[:, None, None]) @ torch.linalg.inv(k)


def facade_edges(generator: Generator, view: View, side: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Outline of a facade, its foot, roof, far and near end, `(B, 4, 3)`; and the x in its middle, `(B,)`."""
    batch = side.shape[0]
    sign, zero = side.sign(), torch.zeros_like(side)
    roof = torch.exp(uniform(generator, math.log(0.2), math.log(8), batch))  # camera heights above the camera
    far = uniform(generator, 0.01, 0.35, batch).square() * size[1]
    length = torch.exp(uniform(generator, math.log(0.15), math.log(2.0), batch)) * size[1]
    near = torch.where(uniform(generator, 0, 1, batch) < 0.6, NOWHERE, far + length)
    normals = torch.stack(
        (
            torch.stack((-1 / side, zero + 1), -1),
            torch.stack((-roof / side, zero - 1), -1),
            torch.stack((-sign, zero), -1),
            torch.stack((sign, zero), -1),
        ),
        1,
    )
    normals = normals / normals.norm(dim=-1, keepdim=True)
    offsets = torch.stack((zero, zero, -far, near), -1)
    cos, sin = view.roll.cos()[:, None], view.roll.sin()[:, None]
    turned = torch.stack(
        (cos * normals[..., 0] - sin * normals[..., 1], sin * normals[..., 0] + cos * normals[..., 1]), -1
    )
    offsets = offsets + (turned * view.principal[:, None]).sum(-1)
    middle = sign * (far + torch.minimum(near - far, zero + size[1] / 2) / 2)
    return torch.cat((turned, offsets[..., None]), -1), middle


def facade_texture(view: View, middle: Tensor) -> Tensor:
    """Homography from pixels to a facade, `(B, 3, 3)`; see `Planes`."""
    zero = torch.zeros_like(middle)
    rows = (zero, zero, middle, zero, view.focal, zero, view.focal / middle, zero, zero)
    return torch.stack(rows, -1).unflatten(-1, (3, 3)) @ torch.linalg.inv(calibration(view))
