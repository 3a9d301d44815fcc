from __future__ import annotations

import math

import torch

from flowcli.coarse_to_fine.warp import pixel_grid
from flowcli.training.motion import apply_homography, make_motion
from flowcli.training.planes import (
    SHARE,
    View,
    add_camera,
    facing_homography,
    ground_homography,
    make_camera_motion,
    make_view,
    small_rotation,
)

SIZE = (48, 64)


def one_view(horizon: float = -20.0, line: float = 5.0) -> View:
    """An upright camera; the window's bottom row is 24 px below its centre."""
    values = (60.0, 0.0, line, 24 - horizon)
    focal, roll, line_, nearest = (torch.tensor([value]) for value in values)
    return View(focal, torch.tensor([[6.0, horizon]]), roll, line_, nearest)


def test_forward_motion_spreads_from_the_focus_of_expansion_and_grows_towards_the_bottom() -> None:
    view = one_view()
    forwards = torch.tensor([[0.0, 0.0, -0.3]])  # 0.3 camera heights
    matrix = ground_homography(view, torch.eye(3)[None], forwards)
    x, y = torch.meshgrid(torch.tensor([-20.0, 6.0, 25.0]), torch.arange(-14.0, 24.0), indexing="ij")
    x2, y2 = apply_homography(matrix, x[None], y[None])
    u, v = x2[0] - x, y2[0] - y
    away_x, away_y = x - 6, y + 20  # from the principal point, where a straight motion aims
    torch.testing.assert_close(u * away_y, v * away_x, atol=1e-3, rtol=1e-4)
    assert (v > 0).all()
    assert (torch.hypot(u, v).diff(dim=1) > 0).all()
    # Depth f / v shrinks by 0.3: the closed form of the scale.
    torch.testing.assert_close(x2[0] - 6, away_x / (1 - 0.3 * away_y / 60), atol=1e-3, rtol=1e-4)


def test_sideways_motion_is_parallax_proportional_to_inverse_depth() -> None:
    matrix = ground_homography(one_view(), torch.eye(3)[None], torch.tensor([[0.2, 0.0, 0.0]]))
    y = torch.arange(-14.0, 24.0)[None, None]
    x2, y2 = apply_homography(matrix, torch.zeros_like(y), y)
    torch.testing.assert_close(x2, 0.2 * (y + 20), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y2, y, atol=1e-4, rtol=1e-4)


def test_wall_and_ground_agree_where_they_meet() -> None:
    generator = torch.Generator().manual_seed(0)
    view = make_view(generator, 16, SIZE)
    rotation, translation = make_camera_motion(generator, view, SIZE, 10.0)
    ground = ground_homography(view, rotation, translation)
    wall = facing_homography(view, rotation, translation, view.line[:, None])[:, 0]
    down = torch.stack((-view.roll.sin(), view.roll.cos()), -1)
    along = torch.stack((down[:, 1], -down[:, 0]), -1)
    foot = view.principal + down * view.line[:, None]
    for step in (-30.0, 0.0, 30.0):
        x, y = ((foot + along * step).unbind(-1)[axis][:, None, None] for axis in (0, 1))
        for on_ground, on_wall in zip(apply_homography(ground, x, y), apply_homography(wall, x, y), strict=True):
            torch.testing.assert_close(on_ground, on_wall, atol=2e-2, rtol=1e-3)


def test_a_turning_camera_moves_the_middle_by_focal_length_times_angle() -> None:
    view = one_view(horizon=0.0)
    matrix = facing_homography(view, small_rotation(torch.tensor([[0.0, 0.05, 0.0]])), torch.zeros(1, 3), view.nearest)
    middle = torch.full((1, 1, 1, 1), 6.0), torch.zeros(1, 1, 1, 1)
    x, _ = apply_homography(matrix, *middle)
    assert abs(float(x) - 6 - 60 * math.tan(0.05)) < 1e-3


def test_a_share_of_the_pairs_gets_a_ground_and_motion_keeps_its_limit() -> None:
    generator = torch.Generator().manual_seed(1)
    motion = make_motion(generator, 400, 5, largest=12, radius=40)
    moved, ground = add_camera(generator, motion, SIZE, largest=12)
    chosen = ground.chosen[:, 1]
    assert not ground.chosen[:, [0, 2, 3, 4]].any()
    assert abs(float(chosen.float().mean()) - SHARE) < 0.08
    torch.testing.assert_close(moved.forward[~chosen], motion.forward[~chosen])
    assert (moved.waves[chosen, :2, :, 3:] == 0).all()
    grid = pixel_grid(*SIZE)[0]
    x, y = grid[0] - 31.5, grid[1] - 23.5
    x2, y2 = apply_homography(moved.forward[chosen, 1], x, y)
    normal_x, normal_y, offset = ground.edges[chosen, 1, 0, :, None, None].unbind(1)
    inside = normal_x * x + normal_y * y < offset
    length = torch.hypot(x2 - x, y2 - y)
    assert inside.flatten(1).any(1).all()
    assert length[inside].quantile(0.95) < 2 * 12
    assert length[inside].mean() > 0.5
    identity = moved.forward @ moved.inverse
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=2e-2, rtol=1e-3)
