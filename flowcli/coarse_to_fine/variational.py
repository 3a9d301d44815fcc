"""Variational refinement of a flow: OpenCV's VariationalRefinement, or the same as torch operations on a GPU.

It minimises brightness and gradient constancy plus smoothness from the flow it is given (Brox et al. 2004, as used in
DIS), so it sharpens what is already within a pixel and cannot mend what is not. It warps once, at the start: a second
call goes on from a better linearisation.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.coarse_to_fine.batched import variational as batched
from flowcli.coarse_to_fine.config import VARIATIONAL
from flowcli.kernels.library import Library, RefineArguments
from flowcli.runtime.device import has_host_form
from flowcli.runtime.threads import Workers

REACH = 16
"""Pixels beyond a block from which, where there is something to see, some 0.01 px come through the iterations."""

LONGEST_MOTION = 96
"""Pixels that a pixel may move along each axis against most of its block, and REACH more."""

LONGEST_FLOW = 2.0**24
"""Pixels beyond which flow is not told apart; float32 counts no further in whole pixels."""

BLOCK = 512
"""Longest side of a block in pixels, without what surrounds it: OpenCV's planes of it stay near the processor."""

UNDIVIDED = 256
"""Frames of fewer rows are one block from top to bottom; all others have two at least, for as many threads."""

SPARSE = 4
"""Every so many rows and columns are looked at to find how a block moves."""

Flow = NDArray[np.float32]


def refine_variational(
    grey1: Tensor, grey2: Tensor, flow: Tensor, workers: Workers | None = None, kernels: Library | None = None
) -> Tensor:
    """Refine a batch of flows.

    On a CPU frames are worked on in blocks: OpenCV holds some twenty planes of what it is given, and on a block per
    thread it needs less time than its own threads do, which meet after every step. A block of frame 2 lies where the
    block of frame 1 mostly moves to; pixels that go on by much more than the others, or than LONGEST_MOTION, keep their
    flow.

    Args:
        grey1: uint8 `(B, H, W)`, on any device.
        grey2: the same shape.
        flow: float32 `(B, 2, H, W)` in pixels, finite; not changed.
        workers: refine blocks side by side.
        kernels: compiled kernels, which find the same but for roundings in less time, and follow all pixels
            wherever they go; None: OpenCV.

    Returns:
        The same shape; frames with a side below VARIATIONAL.smallest keep their flow.
    """
    if min(grey1.shape[1:]) < VARIATIONAL.smallest:
        return flow.clone()
    if not has_host_form(flow.device):
        return batched.refine(grey1, grey2, flow)
    refined = torch.empty_like(flow, memory_format=torch.contiguous_format)
    if kernels is not None:
        grey1, grey2, flow = grey1.contiguous(), grey2.contiguous(), flow.contiguous()
    first, second = grey1.numpy(), grey2.numpy()
    height, width = grey1.shape[1:]
    rows = cut_evenly(height, BLOCK if height < UNDIVIDED else min(BLOCK, -(-height // 2)))
    columns = cut_evenly(width, BLOCK)
    blocks = list(product(range(len(grey1)), rows, columns))

    def refine(block: tuple[int, slice, slice]) -> None:
        index, *place = block
        if kernels is not None:
            _refine_compiled(grey1[index], grey2[index], flow[index], (place[0], place[1]), refined[index], kernels)
            return
        uv, out = flow[index].numpy(), refined[index].numpy()
        if len(rows) == len(columns) == 1:
            out[:] = cv2.split(_refine(first[index], second[index], cv2.merge(list(uv))))
        else:
            _refine_block(first[index], second[index], uv, (place[0], place[1]), out)

    (workers or Workers(1)).do(refine, blocks)
    return refined


def cut_evenly(side: int, longest: int) -> list[slice]:
    """Cut an axis into parts of nearly the same length, none above `longest`."""
    count = -(-side // longest)
    bounds = [side * index // count for index in range(count + 1)]
    return [slice(*part) for part in pairwise(bounds)]


def _refine_block(
    grey1: NDArray[np.uint8], grey2: NDArray[np.uint8], planes: Flow, block: tuple[slice, slice], out: Flow
) -> None:
    """Refine one block of flow `(2, H, W)`, with what surrounds it and with the part of frame 2 to which it moves."""
    # What surrounds a block takes part, so it has to see where it moves as well.
    rows, columns = (slice(max(0, part.start - REACH), part.stop + REACH) for part in block)
    sparse = np.clip(np.nan_to_num(planes[:, rows, columns][:, ::SPARSE, ::SPARSE]), -LONGEST_FLOW, LONGEST_FLOW)
    windows = [
        _find_window(part, side, motion) for part, side, motion in zip(block, grey1.shape, sparse[::-1], strict=True)
    ]
    around = tuple(window.first for window in windows)
    inner = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(block, around, strict=True))
    moved = grey2[np.ix_(*(window.second for window in windows))]
    motion = [plane[around] - window.shift for plane, window in zip(planes, windows[::-1], strict=True)]
    refined = cv2.split(_refine(grey1[around], moved, cv2.merge(motion)))
    kept = np.logical_or(
        *((w.slowest > plane) | (plane > w.fastest) for plane, w in zip(motion, windows[::-1], strict=True))
    )
    for plane, result, before, window in zip(out, refined, motion, windows[::-1], strict=True):
        np.copyto(result, before, where=kept)
        np.add(result[inner], window.shift, out=plane[block])


class _Window(NamedTuple):
    """Where one axis of a block is worked on.

    Attributes:
        first: the pixels of frame 1.
        second: as many pixels of frame 2, whose border is repeated outwards.
        shift: by how many pixels the second lie further on.
        slowest: least motion against the shift that is followed.
        fastest: largest one.
    """

    first: slice
    second: NDArray[np.intp]
    shift: np.float32
    slowest: float
    fastest: float


def _find_window(part: slice, side: int, motion: Flow) -> _Window:
    """Place the windows of one axis so that both hold what the block needs, and are no larger than that."""
    usual = float(np.median(motion))
    slowest = math.floor(max(motion.min(), usual - LONGEST_MOTION)) - REACH
    fastest = math.ceil(min(motion.max(), usual + LONGEST_MOTION)) + REACH
    # What has to be seen of both frames.
    first, last = max(0, part.start - REACH), min(side, part.stop + REACH)
    first2, last2 = max(0, part.start + slowest), min(side, part.stop + fastest)
    # The window of frame 1 stays within it.
    shift = min(max(round(usual), last2 - side), first2)
    # An even pixel, so that the checkerboard of the iterations is that of the whole.
    first, last = min(first, first2 - shift) // 2 * 2, max(last, last2 - shift)
    second = np.clip(np.arange(first + shift, last + shift), 0, side - 1)
    return _Window(slice(first, last), second, np.float32(shift), slowest - shift, fastest - shift)


def _refine_compiled(
    grey1: Tensor, grey2: Tensor, flow: Tensor, block: tuple[slice, slice], out: Tensor, kernels: Library
) -> None:
    """Refine one block by `kernels/source/refine.h`, with what surrounds it."""
    arguments = RefineArguments(
        first=grey1,
        second=grey2,
        flow=flow,
        out=out,
        smoothness=VARIATIONAL.smoothness,
        brightness=VARIATIONAL.brightness,
        gradient=VARIATIONAL.gradient,
        epsilon=batched.EPSILON,
        zeta=batched.ZETA,
        relaxation=batched.RELAXATION,
        height=flow.shape[1],
        width=flow.shape[2],
        top=block[0].start,
        bottom=block[0].stop,
        left=block[1].start,
        right=block[1].stop,
        reach=REACH,
        iterations=VARIATIONAL.fixed_point_iterations,
        sweeps=VARIATIONAL.sor_iterations,
    )
    kernels.run_here(arguments, 0, 1)


def _refine(grey1: NDArray[np.uint8], grey2: NDArray[np.uint8], uv: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Refine float32 `(H, W, 2)` in place."""
    refinement = cv2.VariationalRefinement.create()
    refinement.setAlpha(VARIATIONAL.smoothness)
    refinement.setDelta(VARIATIONAL.brightness)
    refinement.setGamma(VARIATIONAL.gradient)
    refinement.setFixedPointIterations(VARIATIONAL.fixed_point_iterations)
    refinement.setSorIterations(VARIATIONAL.sor_iterations)
    # OpenCV works in place.
    return refinement.calc(grey1, grey2, uv)
