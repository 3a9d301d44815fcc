"""The exhaustive match of two small frames, in both directions at once.

Every displacement up to about a quarter of the frame is compared, and semi-global aggregation chooses (Hirschmueller,
"Stereo Processing by Semiglobal Matching and Mutual Information", PAMI 2008, here with displacements of two dimensions
as labels): a path along a row or a column pays a little for each step to a displacement beside the last one and at most
so much for any jump. The time depends on the size of that level alone, not on the frames'.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.config import MATCH
from flowcli.coarse_to_fine.photometric import box_mean, describe, to_brightness
from flowcli.kernels.library import Library, MatchArguments
from flowcli.runtime.device import has_host_form
from flowcli.runtime.threads import Workers


def match_frames(
    frame1: Tensor,
    frame2: Tensor,
    workers: Workers,
    kernels: Library | None = None,
    reach: tuple[int, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the flow of small frames without any initial flow.

    Args:
        frame1: float `(B, 3, H, W)` in [-1, 1]; some 50 to 70 pixels on the shorter side.
        frame2: the same shape.
        workers: match pairs and directions side by side. Thousands of small operations: torch's own threads would spend
            their time waiting for each other.
        kernels: compiled kernels, which find the same to the bit in a fifth of the time; None: torch does it all.
        reach: longest displacement (down, right) in pixels; None: `find_reach`.

    Returns:
        The flow from frame 1 to frame 2 and from frame 2 to frame 1, float32 `(B, 2, H, W)` in pixels; quarter-pixel
        accuracy at best.
    """
    reach = reach or find_reach((frame1.shape[2], frame1.shape[3]))
    described1, described2 = _describe(frame1), _describe(frame2)
    both = torch.cat((described1, described2)), torch.cat((described2, described1))

    def match(pairs: tuple[Tensor, Tensor]) -> Tensor:
        return _best_displacement(aggregate(match_costs(*pairs, reach)))

    if kernels is not None:
        found = _match_compiled(*both, reach, kernels)
    elif has_host_form(frame1.device):
        found = torch.cat(list(workers.map(match, zip(*(part.split(1) for part in both), strict=True))))
    else:
        # There a small operation costs as much for all of them.
        found = match(both)
    forward, backward = found.chunk(2)
    return forward, backward


def _match_compiled(described1: Tensor, described2: Tensor, reach: tuple[int, int], kernels: Library) -> Tensor:
    """Do the same for int16 `(N, 3, H, W)` by `kernels/source/match.h`."""
    count, _, height, width = described1.shape
    flow = torch.empty(count, 2, height, width)
    arguments = MatchArguments(
        first=described1.contiguous(),
        second=described2.contiguous(),
        flow=flow,
        height=height,
        width=width,
        down=reach[0],
        right=reach[1],
        clip=MATCH.clip,
        near=MATCH.step * MATCH.summed,
        far=MATCH.jump * MATCH.summed,
    )
    kernels.run(arguments, torch.float32, count, shares=1)
    return flow


def find_reach(size: tuple[int, int]) -> tuple[int, int]:
    """Return the longest displacement (down, right) that is compared in frames of a size, in pixels."""
    short = min(size)
    down, right = (max(2, round(short * (MATCH.reach_short if side == short else MATCH.reach_long))) for side in size)
    return down, right


def count_costs(size: tuple[int, int]) -> int:
    """Return how many displacements of pixels are compared in frames of a size; each takes some ten bytes."""
    down, right = find_reach(size)
    return size[0] * size[1] * (2 * down + 1) * (2 * right + 1)


def _describe(frames: Tensor) -> Tensor:
    """Describe as `photometric` does, the brightness freed of its local mean and contrast: int16, within +-2^10."""
    described = describe(to_brightness(frames))
    grey = described[:, :1]
    mean = box_mean(grey, MATCH.normalised)
    deviation = (box_mean(grey * grey, MATCH.normalised) - mean * mean).clamp_(min=0).sqrt_()
    described[:, :1] = (grey - mean) / (deviation + 0.04) * MATCH.brightness_weight
    return (described * MATCH.unit).round_().short()


def match_costs(described1: Tensor, described2: Tensor, reach: tuple[int, int]) -> Tensor:
    """Cost of every displacement at every pixel.

    Args:
        described1: int16 `(N, 3, H, W)`.
        described2: the same shape.
        reach: longest displacement (down, right) in pixels.

    Returns:
        int16 `(N, H, W, 2 reach_y + 1, 2 reach_x + 1)`: the clipped differences of 3x3 pixels, added. What leaves frame
        2 costs half of the most: nothing is known.
    """
    count, _, height, width = described1.shape
    down, right = reach
    padded = F.pad(described2, (right, right, down, down))
    # Windows of a row of frame 2, one per displacement: (N, 3, H + 2 down, W, 2 right + 1), a view.
    windows = padded.unfold(3, 2 * right + 1, 1)
    rows_out, columns_out = (_outside(n, r, described1.device) for n, r in ((height, down), (width, right)))
    costs = described1.new_empty(count, height, width, 2 * down + 1, 2 * right + 1)
    for dy in range(2 * down + 1):
        moved = windows[:, :, dy : dy + height]
        total = _clipped(moved[:, 0], described1[:, 0]) + _clipped(moved[:, 1], described1[:, 1])
        total += _clipped(moved[:, 2], described1[:, 2])
        outside = rows_out[:, dy, None, None] | columns_out
        costs[:, :, :, dy] = total.masked_fill_(outside, 3 * MATCH.clip // 2)
    return _add3(_add3(costs, 1), 2)


def _clipped(moved: Tensor, fixed: Tensor) -> Tensor:
    return (moved - fixed[..., None]).abs_().clamp_(max=MATCH.clip)


def _outside(count: int, reach: int, device: torch.device) -> Tensor:
    """Say which displacements leave an axis, bool `(count, 2 reach + 1)`."""
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


def aggregate(costs: Tensor) -> Tensor:
    """Add what each displacement of `(N, H, W, Dy, Dx)` costs along the paths from above and below, left and right."""
    total = torch.zeros_like(costs)
    for axis in (1, 2):
        count = costs.shape[axis]
        path: Tensor | None = None
        for index in range(count):
            # Both paths along the axis go on together, each from its end.
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
    row, column = best // columns, best % columns
    centre = flat.gather(3, best).float()

    def vertex(position: Tensor, count: int, step: int) -> Tensor:
        inner = (position > 0) & (position < count - 1)
        low = flat.gather(3, torch.where(inner, best - step, best)).float()
        high = flat.gather(3, torch.where(inner, best + step, best)).float()
        curvature = low + high - 2 * centre
        shift = (low - high) / (2 * curvature).clamp(min=1)
        return position + torch.where(inner, shift, 0.0)

    x = vertex(column, columns, 1) - columns // 2
    y = vertex(row, rows, columns) - rows // 2
    return torch.cat((x, y), dim=3).permute(0, 3, 1, 2).contiguous()
