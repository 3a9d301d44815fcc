"""Rigid continuation as batched torch operations; `coarse_to_fine/epipolar.py` has the geometry and the names."""

from __future__ import annotations

import torch
from torch import Tensor

from flowcli.coarse_to_fine.batched.inpaint import inpaint
from flowcli.coarse_to_fine.config import EPIPOLAR
from flowcli.coarse_to_fine.warp import pixel_grid


def continue_rigidly(
    flow: Tensor, known: Tensor, fundamental: Tensor, epipole: Tensor, cell: int
) -> tuple[Tensor, Tensor]:
    """Bring known flow to the epipolar lines and continue it in perspective.

    Args:
        flow: float32 `(N, 2, H, W)` in pixels; finite.
        known: bool `(N, 1, H, W)`.
        fundamental: F from this frame to the other one, float64 `(N, 3, 3)`; zeros where there is none.
        epipole: its left null vector, float64 `(N, 3)`.
        cell: side of a cell of the continuation in pixels.

    Returns:
        The rigid flow, float32 `(N, 2, H, W)`, which is the flow itself where the scene does not fix any; and the share
        of the known pixels that move along their epipolar lines, float32 `(N,)`, 0 there.
    """
    width = flow.shape[3]
    x, y = pixel_grid(flow.shape[2], width, flow.device).double().unbind(1)  # (1, H, W)
    moved_x, moved_y = (flow.double() + torch.stack((x, y), dim=1)).unbind(1)
    there = fundamental.abs().amax(dim=(1, 2)) > 0
    matrix = fundamental / torch.linalg.vector_norm(fundamental, dim=(1, 2), keepdim=True).clamp(min=1e-300)
    line = _multiply(matrix, x, y)
    other_line = _multiply(matrix.transpose(1, 2), moved_x, moved_y)
    off = line[:, 0] * moved_x + line[:, 1] * moved_y + line[:, 2]
    square = line[:, 0] ** 2 + line[:, 1] ** 2 + 1e-18
    # Sampson's distance.
    distance = off.abs() / (square + other_line[:, 0] ** 2 + other_line[:, 1] ** 2).sqrt()
    speaks = known[:, 0]
    fitting = speaks & (distance < 2 * EPIPOLAR.tolerance)
    share = _count(fitting) / _count(speaks).clamp(min=1)
    # The foot of the match on its line, and d from its cross products with A x1 and e.
    along_line = off / square
    foot = torch.stack((moved_x - along_line * line[:, 0], moved_y - along_line * line[:, 1], torch.ones_like(off)), 1)
    arm_of = epipole[:, :, None, None].expand_as(foot)
    start = torch.linalg.cross(arm_of, line, dim=1)
    along, arm = torch.linalg.cross(foot, start, dim=1), torch.linalg.cross(foot, arm_of, dim=1)
    leverage = arm.square().sum(dim=1)
    d = -(along * arm).sum(dim=1) / leverage.clamp(min=1e-15)
    # Near the epipole any d gives the same flow.
    telling = fitting & (leverage > EPIPOLAR.leverage * _median(leverage, fitting))
    count = _count(telling)
    fixed = there & (count >= EPIPOLAR.fewest)
    centre = _median(d, telling)
    total = count.clamp(min=1).view(-1, 1, 1)
    mean = _sum(d, telling) / total
    spread = (_sum((d - mean).square(), telling) / total).sqrt() + 1e-12
    scaled = torch.where(telling, (d - centre) / spread, 0.0).float()
    planes = torch.stack((scaled, torch.zeros_like(scaled)), dim=1)
    d = inpaint(planes, telling[:, None], cell)[:, 0].double() * spread + centre
    end = start + arm_of * d[:, None]
    # What would come to lie behind the camera keeps its flow.
    front = end[:, 2] * _median(end[:, 2], telling).sign() > 1e-9
    depth = torch.where(front, end[:, 2], 1.0)
    rigid = torch.stack((end[:, 0] / depth - x, end[:, 1] / depth - y), dim=1)
    real = front & (rigid.abs() < 2 * width).all(dim=1) & fixed.view(-1, 1, 1)
    return torch.where(real[:, None], rigid.float(), flow), torch.where(fixed, share, 0.0).float()


def _multiply(matrix: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Multiply `(N, 3, 3)` by the homogeneous points (x, y, 1) of `(N, H, W)`: `(N, 3, H, W)`."""
    columns = matrix[..., None, None].unbind(2)
    return columns[0] * x[:, None] + columns[1] * y[:, None] + columns[2]


def _count(chosen: Tensor) -> Tensor:
    return chosen.flatten(1).sum(dim=1).double()


def _sum(values: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen, values, 0.0).sum(dim=(1, 2), keepdim=True)


def _median(values: Tensor, chosen: Tensor) -> Tensor:
    """Median of what is chosen of `(N, H, W)`, the mean of the middle two of an even number: `(N, 1, 1)`."""
    ordered = torch.where(chosen, values, torch.inf).flatten(1).sort(dim=1).values
    count = chosen.flatten(1).sum(dim=1, keepdim=True)
    middle = torch.cat((count - 1, count), dim=1).div_(2, rounding_mode="floor").clamp_(min=0, max=ordered.shape[1] - 1)
    return ordered.gather(1, middle).mean(dim=1).view(-1, 1, 1)
