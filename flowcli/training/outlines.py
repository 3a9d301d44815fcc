"""Outlines of the layers: blobs, polygons with straight edges, bars and fences, solid or as a frame around a hole.

Each outline is a signed distance in pixels of frame 1, negative inside; coverage ramps over about a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from flowcli.training.motion import uniform

HARMONICS = 4
EDGES = 6
NOWHERE = 1e4
"""Pixels: farther than any window reaches."""

BLOB, POLYGON, BARS = range(3)
KIND_SHARES = (0.43, 0.41, 0.16)
"""Blobs, polygons, bars."""

CROSSING = 0.3
"""Share of the polygons that are a half plane or a band across the whole window."""

RINGS = 0.2
"""Share of blobs and polygons that have a hole."""


@dataclass(frozen=True)
class Outlines:
    """Outlines of `(B, L)` or `(N,)` layers; lengths in pixels, positions relative to the window's centre.

    Attributes:
        kind: BLOB, POLYGON or BARS.
        centre: `(..., 2)`.
        radius: of blobs.
        harmonics: `(..., HARMONICS, 2)`: relative amplitude and phase of blobs.
        edges: `(..., EDGES, 3)`: outward unit normal x, y and distance from the centre of polygons.
        bars: `(..., 2, 4)`: two sets of parallel bars: unit normal x, y, period, half width.
        sag: curvature of the bars in 1 / pixels.
        rim: thickness of what is left around a hole; NOWHERE without one.
        sharpness: coverage ramps over 1 / sharpness pixels.
    """

    kind: Tensor
    centre: Tensor
    radius: Tensor
    harmonics: Tensor
    edges: Tensor
    bars: Tensor
    sag: Tensor
    rim: Tensor
    sharpness: Tensor


def make_outlines(generator: Generator, batch: int, layers: int, size: tuple[int, int]) -> Outlines:
    """Draw outlines for windows of `size` (height, width)."""
    height, width = size
    device = generator.device
    chance = uniform(generator, 0, 1, batch, layers)
    kind = (chance > KIND_SHARES[0]).long() + (chance > KIND_SHARES[0] + KIND_SHARES[1]).long()
    place = uniform(generator, -0.5, 0.5, batch, layers, 2)
    centre = place * torch.tensor([width, height], device=device)
    radius = torch.exp(uniform(generator, math.log(4), math.log(0.6 * height), batch, layers))
    amplitude = uniform(generator, 0, 0.35, batch, layers, HARMONICS)
    amplitude = amplitude / torch.arange(1, HARMONICS + 1, device=device).sqrt()
    phase = uniform(generator, 0, 2 * math.pi, batch, layers, HARMONICS)
    rim = torch.exp(uniform(generator, math.log(1.5), math.log(8), batch, layers))
    ringed = (uniform(generator, 0, 1, batch, layers) < RINGS) & (kind != BARS) & (radius > 8)
    return Outlines(
        kind,
        centre,
        radius,
        torch.stack((amplitude, phase), -1),
        _make_edges(generator, radius),
        _make_bars(generator, batch, layers),
        torch.randn(batch, layers, generator=generator, device=device) * 0.003,
        torch.where(ringed, rim, NOWHERE),
        uniform(generator, 0.6, 2.0, batch, layers),
    )


def _make_edges(generator: Generator, radius: Tensor) -> Tensor:
    """Half planes whose intersection is a rectangle, another convex polygon, a band or a half plane."""
    batch, layers = radius.shape
    kind = uniform(generator, 0, 1, batch, layers, 1)
    turn = uniform(generator, 0, 2 * math.pi, batch, layers, 1)
    # Buildings, cars and signs stand upright: half of the shapes do.
    upright = uniform(generator, 0, 1, batch, layers, 1) < 0.5
    quarter = math.pi / 2
    turn = torch.where(upright, (turn / quarter).floor() * quarter, turn)
    number = torch.arange(EDGES, device=radius.device)
    even = number * quarter
    uneven = number * (2 * math.pi / EDGES) + uniform(generator, -0.5, 0.5, batch, layers, EDGES)
    rectangle = kind < CROSSING + 0.45
    angle = torch.where(rectangle, even, uneven) + turn
    distance = radius[..., None] * torch.exp(uniform(generator, math.log(0.35), 0, batch, layers, EDGES))
    # Only some of the edges are there: 1 of a half plane, opposite ones (0 and 2) of a band, 4 of a rectangle.
    there = torch.where(rectangle, number < 4, uniform(generator, 0, 1, batch, layers, EDGES) < 0.8)
    there = torch.where(kind < CROSSING, (number == 0) | (number == 2), there)
    there = torch.where(kind < CROSSING / 2, number == 0, there)
    distance = torch.where(there, distance, NOWHERE)
    return torch.stack((angle.cos(), angle.sin(), distance), -1)


def _make_bars(generator: Generator, batch: int, layers: int) -> Tensor:
    """Single poles and wires (60 %), rows of bars (25 %) or grids; 1 to 3 pixels wide."""
    kind = uniform(generator, 0, 1, batch, layers)
    turn = uniform(generator, 0, math.pi, batch, layers)
    upright = uniform(generator, 0, 1, batch, layers) < 0.6
    turn = torch.where(upright, (turn * (2 / math.pi)).floor() * (math.pi / 2), turn)
    half = uniform(generator, 0.5, 1.5, batch, layers, 2)
    period = torch.exp(uniform(generator, math.log(7), math.log(30), batch, layers, 2))
    period[..., 0] = torch.where(kind < 0.6, NOWHERE, period[..., 0])
    half[..., 1] = torch.where(kind < 0.85, -NOWHERE, half[..., 1])
    angle = torch.stack((turn, turn + math.pi / 2), -1)
    return torch.stack((angle.cos(), angle.sin(), period, half), -1)


def coverage(outlines: Outlines, x: Tensor, y: Tensor) -> Tensor:
    """Cover points of frame 1 by their layers, 0..1: `(N, H, W)`, for outlines of `(N,)` layers."""
    dx = x - outlines.centre[:, 0, None, None]
    dy = y - outlines.centre[:, 1, None, None]
    distance = torch.empty_like(dx)
    for kind, measure in ((BLOB, _blob_distance), (POLYGON, _polygon_distance), (BARS, _bar_distance)):
        rows = (outlines.kind == kind).nonzero()[:, 0]
        distance[rows] = measure(outlines, rows, dx[rows], dy[rows])
    # A hole: what lies deeper than the rim is outside again.
    distance = torch.maximum(distance, -distance - outlines.rim[:, None, None])
    return (0.5 - distance * outlines.sharpness[:, None, None]).clamp_(0, 1)


def _blob_distance(outlines: Outlines, rows: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    distance, angle = torch.hypot(dx, dy), torch.atan2(dy, dx)
    outline = torch.ones_like(distance)
    for number in range(HARMONICS):
        amplitude, phase = outlines.harmonics[rows, number, :, None, None].unbind(1)
        outline += amplitude * torch.cos((number + 1) * angle + phase)
    return distance - outline.clamp_(min=0.1) * outlines.radius[rows, None, None]


def _polygon_distance(outlines: Outlines, rows: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    distance = torch.full_like(dx, -NOWHERE)
    for number in range(EDGES):
        normal_x, normal_y, offset = outlines.edges[rows, number, :, None, None].unbind(1)
        distance = torch.maximum(distance, normal_x * dx + normal_y * dy - offset)
    return distance


def _bar_distance(outlines: Outlines, rows: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    distance = torch.full_like(dx, NOWHERE)
    for number in range(2):
        normal_x, normal_y, period, half = outlines.bars[rows, number, :, None, None].unbind(1)
        along = normal_x * dy - normal_y * dx
        across = normal_x * dx + normal_y * dy + outlines.sag[rows, None, None] * along.square()
        nearest = (across - period * (across / period).round()).abs()
        distance = torch.minimum(distance, nearest - half)
    return distance
