from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from flowcli.coarse_to_fine.warp import pixel_grid
from flowcli.training.layers import pick
from flowcli.training.outlines import BARS, BLOB, NOWHERE, POLYGON, Outlines, coverage, make_outlines

SIZE = (48, 64)


def drawn(count: int = 300) -> Outlines:
    outlines = make_outlines(torch.Generator().manual_seed(2), count, 1, SIZE)
    return pick(outlines, (torch.arange(count), torch.zeros(count, dtype=torch.long)))


def cover(outlines: Outlines) -> torch.Tensor:
    grid = pixel_grid(*SIZE)[0]
    count = len(outlines.kind)
    return coverage(outlines, grid[0].expand(count, -1, -1) - 32, grid[1].expand(count, -1, -1) - 24)


@pytest.mark.parametrize("kind", [BLOB, POLYGON, BARS])
def test_every_kind_is_drawn_and_shows_in_the_window(kind: int) -> None:
    outlines = drawn()
    rows = outlines.kind == kind
    assert rows.float().mean() > 0.1
    alpha = cover(pick(outlines, (rows,)))
    assert ((alpha >= 0) & (alpha <= 1)).all()
    assert (alpha.flatten(1).amax(1) > 0.5).float().mean() > 0.85


def test_bars_are_one_to_three_pixels_wide() -> None:
    outlines = drawn(1200)
    rows = (outlines.kind == BARS) & (outlines.bars[:, 1, 3] < 0) & (outlines.bars[:, 0, 0].abs() > 0.999)
    upright = replace(pick(outlines, (rows,)), sag=torch.zeros(int(rows.sum())))
    alpha = cover(upright)[:, 24]  # one row across all of them
    single = upright.bars[:, 0, 2] == NOWHERE
    assert single.any()
    assert not single.all()
    reaches = (upright.centre[:, 0].abs() < 28) & single
    width = alpha[reaches].sum(1)
    assert len(width) > 5
    assert (width > 0.6).all()
    assert (width < 3.6).all()
    assert (width - 2 * upright.bars[reaches, 0, 3]).abs().max() < 0.8
    assert (alpha[~single] > 0.5).diff(dim=1).sum(1).min() >= 2  # several bars


def test_rectangles_have_straight_edges_and_corners() -> None:
    corner = torch.tensor([[[math.cos(a), math.sin(a), 10.0] for a in (0, math.pi / 2, math.pi, 1.5 * math.pi)]])
    edges = torch.cat((corner, torch.tensor([[[1.0, 0.0, NOWHERE]]]).repeat(1, 2, 1)), 1)
    one = replace(
        pick(drawn(1), (torch.tensor([0]),)),
        kind=torch.tensor([POLYGON]),
        centre=torch.zeros(1, 2),
        edges=edges,
        rim=torch.tensor([NOWHERE]),
        sharpness=torch.tensor([2.0]),
    )
    solid = cover(one)[0] > 0.5
    assert int(solid.sum()) in range(19 * 19, 21 * 21 + 1)
    assert solid[15:34, 23:42].all()
    ring = cover(replace(one, rim=torch.tensor([3.0])))[0] > 0.5
    assert ring.sum() < solid.sum()
    assert not ring[24, 32]  # the hole
    assert ring[24, 23]
    assert (solid | ~ring).all()  # nothing beyond the outline


def test_some_shapes_cross_the_whole_window() -> None:
    outlines = drawn()
    crossing = (outlines.edges[:, 2:, 2] == NOWHERE).sum(1) >= 3
    alpha = cover(pick(outlines, ((outlines.kind == POLYGON) & crossing,)))
    inside = alpha > 0.5
    border = torch.cat((inside[:, 0], inside[:, -1], inside[:, :, 0], inside[:, :, -1]), 1)
    assert border.any(1).float().mean() > 0.8
