"""Coarse to fine: estimate what is left after warping by the flow from the level above, level by level.

The compact network answers residuals of about two pixels. So one small level is matched exhaustively (`matching.py`);
from there on frame 2 is warped by the current flow and the flow is updated (`updates.py`): a variational method
sharpens it, at the finer levels alone, the network estimates the rest tile by tile, and a gate keeps what the frames
speak for. On top of that:

- up to some level both directions are estimated, and what the two do not agree on is not handed down but continued from
  its surroundings (`filling.py`);
- a first guess from elsewhere competes with the result at full size, by the same evidence.

`PyramidSettings` says up to which level each of them works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from flowcli.coarse_to_fine.consistency import BETA
from flowcli.coarse_to_fine.gate import POLISH, SHARPEN, Level, Residual, Update, ask, finish, refine
from flowcli.coarse_to_fine.inpaint import fill_flows
from flowcli.coarse_to_fine.match import count_costs, match_frames
from flowcli.coarse_to_fine.photometric import describe, inconsistent, local_error
from flowcli.coarse_to_fine.resizing import Halves, Size, resize_flow, resize_flow_rows
from flowcli.coarse_to_fine.smoothing import median_filter
from flowcli.runtime.memory import return_freed_memory
from flowcli.runtime.strips import Band, cut_bands
from flowcli.runtime.threads import Workers

SMALLEST_MATCHED = 16
"""Frames with a shorter side than this are not matched: there is too little to tell displacements apart."""

MOST_COSTS = 2**25
"""Displacements of pixels compared at most, which very long frames exceed; 16:9 needs 8 million."""

MATCHED_TOLERANCE = 1.0
"""Squared pixels by which the two directions of an exhaustive match may differ: it is right to a fraction of one."""

LARGE_LEVEL = 2**21
"""Pixels of a level from which on freed memory goes back to the system between the stages."""

LEAVES = 0.15
"""What a pixel whose flow leaves the frame counts in a comparison, where a perfect match counts 0 and the worst 1.5."""


class Directions(NamedTuple):
    """Flow of a batch both ways, float32 `(B, 2, H, W)` in its own pixels each."""

    forward: Tensor
    backward: Tensor


@dataclass(frozen=True)
class PyramidSettings:
    """How the levels are laid out and what happens at each.

    Attributes:
        factor: size of a level relative to the next finer one.
        matched: the estimate starts from an exhaustive match of the level whose shorter side is nearest to this.
        smallest: shortest side in pixels of the coarsest level of frames that cannot be matched; they start from zero.
        both: share of the full size up to which both directions are estimated.
        polished: a variational method updates the flow as well, before the network and on what it answers.
        asked: share of the full size up to which the network is asked; beyond, and up to `finest`, the variational
            method has its place. At the first level the network is always asked, and up to `finest` if nothing is
            `polished`.
        finest: share of the full size beyond which the flow is enlarged as it is.
        finishes: rounds of variational refinement and sharper edges at full size, if `polished`.
        choice_window: side of the window in pixels in which two estimates are compared.
        still_margin: the match is taken where its error is below this share of that of no motion.
        choice_margin: the network's estimate is taken where its error is below this share of a first guess's.
    """

    factor: float = 0.7
    matched: int = 60
    smallest: int = 24
    both: float = 0.5
    polished: bool = True
    asked: float = 0.25
    finest: float = 0.71
    finishes: int = 3
    choice_window: int = 15
    still_margin: float = 1.0
    choice_margin: float = 0.95


def level_sizes(size: Size, settings: PyramidSettings) -> list[Size]:
    """Sizes (height, width) of the levels, coarsest first; the last is `size` itself."""
    sizes = [size]
    scale = settings.factor
    while min(size) * scale >= settings.smallest:
        sizes.append((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        scale *= settings.factor
    return sizes[::-1]


def find_matched_level(sizes: list[Size], settings: PyramidSettings) -> Size:
    """Return the level that is matched exhaustively, or (0, 0) if there is none that is large and small enough."""
    fitting = [size for size in sizes if min(size) >= SMALLEST_MATCHED and count_costs(size) <= MOST_COSTS]
    return min(fitting, key=lambda size: abs(min(size) - settings.matched), default=(0, 0))


@torch.inference_mode()
def estimate_coarse_to_fine(
    frame1: Tensor,
    frame2: Tensor,
    residual_of: Residual,
    settings: PyramidSettings,
    guess: Callable[[], Directions] | None = None,
    workers: Workers | None = None,
) -> Tensor:
    """Estimate the flow of a batch of frames.

    Args:
        frame1: `(B, 3, H, W)`, uint8 or float in [-1, 1].
        frame2: the same shape and type.
        residual_of: the network.
        settings: the pyramid.
        guess: makes another estimate, of any size, once the rest of the memory is free again; it stays where the
            network's own has no better evidence.
        workers: threads for what surrounds the network; None: the caller's alone.

    Returns:
        float32 `(B, 2, H, W)` in pixels.
    """
    workers = workers or Workers(1)
    directions = _descend(frame1, frame2, residual_of, settings, workers)
    level = Level(frame1, frame2, workers)
    options = [directions] if guess is None else [guess(), directions]
    del directions
    _tidy(level)
    flow = choose(level, options, settings.choice_margin, settings.choice_window)
    del options
    _tidy(level)
    if settings.polished:
        finish(level, flow, settings.finishes)
        _tidy(level)
    return flow


def _descend(
    frame1: Tensor, frame2: Tensor, residual_of: Residual, settings: PyramidSettings, workers: Workers
) -> Directions:
    """Go through the levels; returns both directions, each at the finest level at which it was estimated."""
    full = (frame1.shape[2], frame1.shape[3])
    sizes = level_sizes(full, settings)
    if (matched := find_matched_level(sizes, settings)) in sizes:
        sizes = sizes[sizes.index(matched) :]
    batch = len(frame1)
    flow = torch.zeros(2 * batch, 2, *sizes[0], device=frame1.device)
    backward: Tensor | None = None
    halves1, halves2 = Halves(frame1, sizes[0]), Halves(frame2, sizes[0])
    for size in sizes:
        updates = plan_updates(size, sizes[0], full, residual_of, settings)
        if not updates:
            break
        # The network alone sees more than 8 bits of a pixel.
        eight_bit = all(update in (POLISH, SHARPEN) for update in updates)
        level1, level2 = halves1.at(size, eight_bit), halves2.at(size, eight_bit)
        if backward is None and size > sizes[0] and not _within(size, settings.both, full):
            flow, backward = flow.split(batch)
        if backward is None:
            level1, level2 = torch.cat((level1, level2)), torch.cat((level2, level1))
        level = Level(level1, level2, workers)
        flow = _match(level, settings) if size == matched else resize_flow(flow, size)
        flow = refine(level, flow, updates)
        if backward is None:
            flow = fill_flows(flow, _confirmed(flow, BETA, workers), workers)
        _tidy(level)
    if backward is None:
        flow, backward = flow.split(batch)
    return Directions(flow, backward)


def _tidy(level: Level) -> None:
    """Give freed memory back before what comes after a large level, which needs arrays of other sizes."""
    if level.frame1.shape[2] * level.frame1.shape[3] > LARGE_LEVEL:
        return_freed_memory()


def plan_updates(size: Size, first: Size, full: Size, residual_of: Residual, settings: PyramidSettings) -> list[Update]:
    """Say what happens at a level, in order: nothing where the flow is to be enlarged as it is.

    The variational method does what it can, twice, as each call of it warps anew; then the network what is left; then
    edges are sharpened. At the level `first` the network is asked whatever the settings.
    """
    seen = size == first
    if not settings.polished:
        return [ask(residual_of)] if seen or _within(size, settings.finest, full) else []
    if seen or _within(size, settings.asked, full):
        return [POLISH, POLISH, ask(residual_of, polished=True), SHARPEN]
    return [POLISH, POLISH, SHARPEN] if _within(size, settings.finest, full) else []


def _within(size: Size, share: float, full: Size) -> bool:
    """Say whether a level is at most a share of the full size, to a pixel."""
    return max(size) <= share * max(full) + 1


def _reversed(flow: Tensor) -> Tensor:
    """Exchange the halves of a batch that holds both directions."""
    return torch.cat(flow.chunk(2)[::-1])


def _confirmed(flow: Tensor, tolerance: float, workers: Workers) -> Tensor:
    """Say where each half of a batch that holds both directions agrees with the other, bool `(B, 1, H, W)`."""
    batch, _, height, width = flow.shape
    confirmed = torch.empty(batch, 1, height, width, dtype=torch.bool, device=flow.device)
    backward = flow.chunk(2)[::-1]

    def check(band: Band) -> None:
        for half, back, result in zip(flow.chunk(2), backward, confirmed.chunk(2), strict=True):
            rows = half[:, :, band.rows]
            torch.logical_not(
                inconsistent(rows, back, tolerance, top=band.rows.start, height=height), out=result[:, :, band.rows]
            )

    workers.do(check, cut_bands(height, width * batch, 1))
    return confirmed


def _match(level: Level, settings: PyramidSettings) -> Tensor:
    """Match both directions of a level exhaustively; what they agree on stays where it says more than no motion."""
    batch = len(level.frame1) // 2
    matched = match_frames(level.frame1[:batch], level.frame1[batch:], level.workers)
    flow = median_filter(torch.cat(matched), 3)
    flow = fill_flows(flow, _confirmed(flow, MATCHED_TOLERANCE, level.workers), level.workers)
    # Both directions are in the batch, so the backward flow of each is the other half.
    options = [Directions(estimate, _reversed(estimate)) for estimate in (torch.zeros_like(flow), flow)]
    return choose(level, options, settings.still_margin, settings.choice_window)


def choose(level: Level, options: list[Directions], margin: float, window: int) -> Tensor:
    """Keep the first of one or two estimates, except where the second explains the frames clearly better.

    Where the directions of what is kept do not confirm each other, its surroundings are continued. Estimates of another
    size than the frames' are enlarged, some rows at a time.

    Args:
        level: the frames.
        options: the estimates.
        margin: the second is taken where its error is below this share of the first one's.
        window: side of the window in pixels over which errors are averaged.

    Returns:
        The forward flow, float32 `(B, 2, H, W)`.
    """
    batch, _, height, width = level.frame1.shape
    chosen = torch.empty(batch, 2, height, width, device=level.frame1.device)
    trusted = torch.empty(batch, 1, height, width, dtype=torch.bool, device=level.frame1.device)

    def fill(band: Band) -> None:
        rows, around, inner = band
        flows = [resize_flow_rows(option.forward, (height, width), around) for option in options]
        doubts = [
            inconsistent(flow, option.backward, top=around.start, height=height)
            for flow, option in zip(flows, options, strict=True)
        ]
        flow, doubtful = flows[0], doubts[0]
        if len(options) == 2:
            frame = level.brightness(around)
            described = describe(frame)
            errors: list[Tensor] = []
            for forward, doubt in zip(flows, doubts, strict=True):
                warped, inside = level.warped_brightness(forward, around, frame)
                errors.append(local_error(described, describe(warped), inside, window, LEAVES, doubt))
            better = errors[1] < errors[0] * margin
            flow, doubtful = torch.where(better, flows[1], flow), torch.where(better, doubts[1], doubtful)
        chosen[:, :, rows], trusted[:, :, rows] = flow[:, :, inner], ~doubtful[:, :, inner]

    level.workers.do(fill, cut_bands(height, width * batch, window // 2 + 1))
    return fill_flows(chosen, trusted, level.workers)
