"""Variational refinement as batched torch operations: the energy and the solver of OpenCV's VariationalRefinement.

Minimised over the flow w + dw is the sum over the pixels of (Brox et al., ECCV 2004, normalised as in DeepFlow,
Weinzaepfel et al., ICCV 2013, section 3)

    delta/2 psi(E_brightness / n) + gamma/2 psi(E_gradient / n) + alpha/2 psi(|grad (w + dw)|^2),

psi(s) = sqrt(s + epsilon^2), the constancies linearised in dw around the frames warped by w, and n the squared norm of
what multiplies dw in them. Each fixed-point iteration takes the penalties' slopes from the flow so far, which leaves a
linear system of five neighbours per pixel, with a 2x2 block for (du, dv) in the middle; successive over-relaxation
in checkerboard order works on that.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import VARIATIONAL
from flowcli.coarse_to_fine.warp import pixel_grid, sample

EPSILON = 0.001
"""OpenCV's: keeps the slope of the penalties finite."""

ZETA = 0.1
"""OpenCV's: keeps the norms n above zero, and pulls dw to zero where there is nothing to see."""

RELAXATION = 1.6
"""OpenCV's over-relaxation, omega."""

PIXELS = 2**25
"""Pixels refined at once, of all pairs together: some 35 planes of float32 are held, 5 GB."""


def refine(grey1: Tensor, grey2: Tensor, flow: Tensor) -> Tensor:
    """Refine a batch of flows.

    Args:
        grey1: uint8 `(B, H, W)`.
        grey2: the same shape.
        flow: float32 `(B, 2, H, W)` in pixels, finite.

    Returns:
        The same shape.
    """
    group = max(1, PIXELS // (flow.shape[2] * flow.shape[3]))
    parts = zip(grey1.split(group), grey2.split(group), flow.split(group), strict=True)
    refined = [_refine(*part) for part in parts]
    return refined[0] if len(refined) == 1 else torch.cat(refined)


def _refine(grey1: Tensor, grey2: Tensor, flow: Tensor) -> Tensor:
    constancy = _linearise(grey1[:, None].float(), grey2[:, None].float(), flow)
    height, width = flow.shape[2:]
    # One more pixel of zeros on every side, which the solver may read.
    padded = flow.new_zeros(len(flow), 2, height + 2, width + 2)
    step = padded[:, :, 1:-1, 1:-1]
    colours = _checkerboard(height, width, flow.device)
    for _ in range(VARIATIONAL.fixed_point_iterations):
        system = _assemble(constancy, flow, step)
        for _ in range(VARIATIONAL.sor_iterations):
            for colour in colours:
                _relax(system, padded, colour)
    return flow + step


class _Constancy(NamedTuple):
    """Derivatives of the frames, float32 `(B, 1, H, W)` in grey levels: t from frame 1 to the warped frame 2.

    Spatial ones are differences of the pixels at both sides, not halved, of the mean of both frames.
    """

    x: Tensor
    y: Tensor
    t: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor
    xt: Tensor
    yt: Tensor


def _linearise(grey1: Tensor, grey2: Tensor, flow: Tensor) -> _Constancy:
    x, y = (pixel_grid(flow.shape[2], flow.shape[3], flow.device) + flow).unbind(1)
    # OpenCV 5 warps as exactly; earlier ones go to the nearest 1/32 px.
    warped = sample(grey2, x, y)
    mean = (grey1 + warped).mul_(0.5)
    t = warped - grey1
    x, y = _along_x(mean), _along_y(mean)
    return _Constancy(x, y, t, _along_x(x), _along_y(x), _along_y(y), _along_x(t), _along_y(t))


def _along_x(plane: Tensor) -> Tensor:
    padded = F.pad(plane, (1, 1, 0, 0), mode="replicate")
    return padded[..., 2:] - padded[..., :-2]


def _along_y(plane: Tensor) -> Tensor:
    padded = F.pad(plane, (0, 0, 1, 1), mode="replicate")
    return padded[..., 2:, :] - padded[..., :-2, :]


class _System(NamedTuple):
    """The linear system of a fixed-point iteration: a dw = b + sum over the neighbours of their weight times their dw.

    Attributes:
        right: weight between a pixel and the one to its right and below, `(B, 1, H, W)`.
        left: between it and the one to its left.
        above: between it and the one above.
        uu: element of `a`, `(B, 1, H, W)`.
        uv: the same.
        vv: the same.
        relaxation_u: RELAXATION / uu.
        relaxation_v: RELAXATION / vv.
        b: `(B, 2, H, W)`.
    """

    right: Tensor
    left: Tensor
    above: Tensor
    uu: Tensor
    uv: Tensor
    vv: Tensor
    relaxation_u: Tensor
    relaxation_v: Tensor
    b: Tensor


def _assemble(c: _Constancy, flow: Tensor, step: Tensor) -> _System:
    du, dv = step[:, :1], step[:, 1:]

    # Brightness constancy: slope of its penalty over its norm.
    norm = (c.x * c.x).addcmul_(c.y, c.y).add_(ZETA**2)
    left_over = torch.addcmul(c.t, c.x, du).addcmul_(c.y, dv)
    slope = left_over.square_().div_(norm).add_(EPSILON**2).rsqrt_().mul_(VARIATIONAL.brightness / 2).div_(norm)
    uu = (c.x * c.x).mul_(slope).add_(ZETA**2)
    uv = (c.x * c.y).mul_(slope)
    vv = (c.y * c.y).mul_(slope).add_(ZETA**2)
    b = torch.cat((c.x, c.y), dim=1).mul_(c.t).mul_(slope).neg_()

    # Gradient constancy: of both derivatives, under one penalty.
    cross = c.xy * c.xy
    norm_x = torch.addcmul(cross, c.xx, c.xx).add_(ZETA**2)
    norm_y = torch.addcmul(cross, c.yy, c.yy).add_(ZETA**2)
    left_x = torch.addcmul(c.xt, c.xx, du).addcmul_(c.xy, dv).square_().div_(norm_x)
    left_y = torch.addcmul(c.yt, c.xy, du).addcmul_(c.yy, dv).square_().div_(norm_y)
    slope = left_x.add_(left_y).add_(EPSILON**2).rsqrt_().mul_(VARIATIONAL.gradient / 2)
    slope_x, slope_y = slope / norm_x, slope / norm_y
    uu.addcmul_(c.xx * c.xx, slope_x).addcmul_(cross, slope_y)
    uv.addcmul_(c.xx * c.xy, slope_x).addcmul_(c.xy * c.yy, slope_y)
    vv.addcmul_(cross, slope_x).addcmul_(c.yy * c.yy, slope_y)
    pull_x, pull_y = slope_x.mul_(c.xt), slope_y.mul_(c.yt)
    b[:, :1].addcmul_(c.xx, pull_x, value=-1).addcmul_(c.xy, pull_y, value=-1)
    b[:, 1:].addcmul_(c.xy, pull_x, value=-1).addcmul_(c.yy, pull_y, value=-1)

    # Smoothness: slopes of the flow so far; what they pull at is the given flow, dw is what is solved for.
    right, below = _steps(flow + step)
    slope = right.square_().add_(below.square_()).sum(dim=1, keepdim=True).add_(EPSILON**2)
    weight = slope.rsqrt_().mul_(VARIATIONAL.smoothness / 2)
    right, below = _steps(flow)
    right.mul_(weight)
    below.mul_(weight)
    b.add_(right).add_(below)
    b[..., 1:].sub_(right[..., :-1])
    b[..., 1:, :].sub_(below[..., :-1, :])
    before = F.pad(weight, (1, 0, 1, 0))
    left, above = before[..., 1:, :-1], before[..., :-1, 1:]
    middle = left + above
    # The last column has nothing to its right, the last row nothing below.
    middle[..., :-1].add_(weight[..., :-1])
    middle[..., :-1, :].add_(weight[..., :-1, :])
    uu.add_(middle)
    vv.add_(middle)
    return _System(weight, left, above, uu, uv, vv, RELAXATION / uu, RELAXATION / vv, b)


def _steps(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the pixel to the right and to the one below; 0 at the border."""
    right, below = torch.zeros_like(flow), torch.zeros_like(flow)
    torch.sub(flow[..., 1:], flow[..., :-1], out=right[..., :-1])
    torch.sub(flow[..., 1:, :], flow[..., :-1, :], out=below[..., :-1, :])
    return right, below


def _checkerboard(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """1 on the pixels of one colour and 0 elsewhere, float32 `(1, 1, H, W)`; the first pixel's colour first."""
    black = (torch.arange(height, device=device)[:, None] + torch.arange(width, device=device)) % 2
    return (1 - black).float()[None, None], black.float()[None, None]


def _relax(system: _System, padded: Tensor, colour: Tensor) -> None:
    """Relax the pixels of one colour, du first, in `padded` `(B, 2, H + 2, W + 2)`."""
    inner = padded[:, :, 1:-1, 1:-1]
    left_over = torch.addcmul(system.b, system.left, padded[:, :, 1:-1, :-2])
    left_over.addcmul_(system.right, padded[:, :, 1:-1, 2:])
    left_over.addcmul_(system.above, padded[:, :, :-2, 1:-1])
    left_over.addcmul_(system.right, padded[:, :, 2:, 1:-1])
    du, dv = inner[:, :1], inner[:, 1:]
    for component, other, diagonal, relaxation, rest in (
        (du, dv, system.uu, system.relaxation_u, left_over[:, :1]),
        (dv, du, system.vv, system.relaxation_v, left_over[:, 1:]),
    ):
        rest.addcmul_(system.uv, other, value=-1).addcmul_(diagonal, component, value=-1).mul_(colour)
        component.addcmul_(relaxation, rest)
