"""The exhaustive match as batched torch operations: `coarse_to_fine/match.py` to the bit, all pairs at once.

There a pair and direction is some thousand small operations on a CPU. Each costs a GPU as much as one on a whole
batch, and as one that goes along a path from both of its ends.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import MATCH


def match(described1: Tensor, described2: Tensor, reach: tuple[int, int]) -> Tensor:
    """Find the flow of N described frames.

    Args:
        described1: int16 `(N, 3, H, W)`.
        described2: the same shape.
        reach: longest displacement (down, right) in pixels.

    Returns:
        float32 `(N, 2, H, W)` in pixels.
    """
    return _best_displacement(_aggregate(_costs(described1, described2, reach)))


def _costs(described1: Tensor, described2: Tensor, reach: tuple[int, int]) -> Tensor:
    """Cost of every displacement at every pixel, int16 `(N, H, W, Dy, Dx)`; see `match_costs`."""
    count, _, height, width = described1.shape
    down, right = reach
    padded = F.pad(described2, (right, right, down, down))
    windows = padded.unfold(3, 2 * right + 1, 1)
    rows_out, columns_out = (_outside(n, r, described1.device) for n, r in ((height, down), (width, right)))
    costs = described1.new_empty(count, height, width, 2 * down + 1, 2 * right + 1)
    fixed = described1[..., None]
    for dy in range(2 * down + 1):
        moved = windows[:, :, dy : dy + height]
        difference = (moved - fixed).abs_().clamp_(max=MATCH.clip)
        outside = rows_out[:, dy, None, None] | columns_out
        # What leaves frame 2 costs half of the most.
        costs[:, :, :, dy] = difference.sum(dim=1, dtype=torch.int16).masked_fill_(outside, 3 * MATCH.clip // 2)
    return _add3(_add3(costs, 1), 2)


def _outside(count: int, reach: int, device: torch.device) -> Tensor:
    landing = torch.arange(count, device=device)[:, None] + torch.arange(-reach, reach + 1, device=device)
    return (landing < 0) | (landing >= count)


def _add3(costs: Tensor, axis: int) -> Tensor:
    """Add three neighbours along an axis; the first and the last pixel count twice at the border."""
    count = costs.shape[axis]
    total = costs.clone()
    total.narrow(axis, 1, count - 1).add_(costs.narrow(axis, 0, count - 1))
    total.narrow(axis, 0, count - 1).add_(costs.narrow(axis, 1, count - 1))
    for end in (0, count - 1):
        total.select(axis, end).add_(costs.select(axis, end))
    return total


def _aggregate(costs: Tensor) -> Tensor:
    """Add what each displacement costs along the paths to a pixel from above and below, then left and right."""
    total = torch.zeros_like(costs)
    for axis in (1, 2):
        count = costs.shape[axis]
        path: Tensor | None = None
        for index in range(count):
            ends = index, count - 1 - index
            here = torch.stack([costs.select(axis, end) for end in ends])
            path = here if path is None else here.add_(_transition(path))
            for end, part in zip(ends, path, strict=True):
                total.select(axis, end).add_(part)
    return total


def _transition(path: Tensor) -> Tensor:
    """Least cost of arriving at each displacement from the pixel before, `(..., Dy, Dx)`, less its minimum."""
    least = path.amin(dim=(-2, -1), keepdim=True)
    beside = path + MATCH.step * MATCH.summed
    cheapest = torch.minimum(path, least + MATCH.jump * MATCH.summed)
    for axis in (-2, -1):
        count = path.shape[axis] - 1
        for one, other in ((0, 1), (1, 0)):
            arriving = cheapest.narrow(axis, one, count)
            torch.minimum(arriving, beside.narrow(axis, other, count), out=arriving)
    return cheapest.sub_(least)


def _best_displacement(costs: Tensor) -> Tensor:
    """Least of `(N, H, W, Dy, Dx)` with the vertex of a parabola through its neighbours, as flow `(N, 2, H, W)`."""
    rows, columns = costs.shape[3:]
    flat = costs.flatten(3)
    best = flat.argmin(dim=3, keepdim=True)
    centre = flat.gather(3, best).float()

    def vertex(position: Tensor, count: int, step: int) -> Tensor:
        inner = (position > 0) & (position < count - 1)
        low = flat.gather(3, torch.where(inner, best - step, best)).float()
        high = flat.gather(3, torch.where(inner, best + step, best)).float()
        shift = (low - high) / (2 * (low + high - 2 * centre)).clamp(min=1)
        return position + torch.where(inner, shift, 0.0)

    x = vertex(best % columns, columns, 1) - columns // 2
    y = vertex(best // columns, rows, columns) - rows // 2
    return torch.cat((x, y), dim=3).permute(0, 3, 1, 2).contiguous()
