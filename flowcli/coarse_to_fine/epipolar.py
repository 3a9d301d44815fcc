"""Rigid continuation: what a moving camera does to a still scene, where frame 2 does not show it.

All points of a still scene move along epipolar lines, x2^T F x1 = 0, and how far they get there is one number each: in
x2 ~ A x1 + d e, with A = [e]x F and e the epipole of frame 2, d is an affine function of the pixel on every plane of
the scene (Hartley and Zisserman, "Multiple View Geometry", 2nd ed., results 13.1 and 13.6). So d of the matched pixels
is continued affinely (`inpaint.py`) and turned back into flow: a road or a facade goes on in perspective beyond the
border of frame 2, which an affine continuation of the flow itself does not.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowcli.coarse_to_fine.batched import rigid as batched
from flowcli.coarse_to_fine.config import EPIPOLAR
from flowcli.coarse_to_fine.inpaint import choose_cell, inpaint
from flowcli.runtime.threads import Workers

Array = NDArray[np.float64]


def find_fundamental(flow: Tensor, known: Tensor) -> Array | None:
    """Fit the fundamental matrix of a flow with MAGSAC++ (Barath et al., CVPR 2020).

    Args:
        flow: float32 `(2, H, W)` in pixels.
        known: bool `(H, W)`: the pixels that speak for it.

    Returns:
        F, float64 `(3, 3)`, of pixel coordinates; None where too few pixels are known or they fit nothing.
    """
    y, x = np.nonzero(known.numpy())
    if len(x) < EPIPOLAR.fewest:
        return None
    step = max(1, len(x) // EPIPOLAR.most)
    y, x = y[::step], x[::step]
    points = np.stack((x, y), 1).astype(np.float64)
    moved = points + flow.numpy()[:, y, x].T
    try:
        matrix, _ = cv2.findFundamentalMat(
            points, moved, cv2.USAC_MAGSAC, EPIPOLAR.tolerance, EPIPOLAR.confidence, EPIPOLAR.iterations
        )
    except cv2.error:  # OpenCV asserts where a sample has no model
        return None
    # Several solutions of seven points lie one below the other; they mean that no more points agreed.
    return np.asarray(matrix, np.float64) if matrix is not None and matrix.shape == (3, 3) else None


class RigidFlow(NamedTuple):
    """Flow of a still scene.

    Attributes:
        flow: float32 `(2, H, W)` in pixels.
        share: of the known pixels that move along their epipolar lines, 0..1; 0 where nothing was continued.
    """

    flow: Tensor
    share: float


def continue_rigidly(flow: Tensor, known: Tensor, fundamental: Array, workers: Workers | None = None) -> RigidFlow:
    """Bring known flow to the epipolar lines and continue it in perspective.

    Args:
        flow: float32 `(2, H, W)` in pixels; finite.
        known: bool `(H, W)`.
        fundamental: F from this frame to the other one.
        workers: threads for the continuation; None: the caller's alone.

    Returns:
        The rigid flow; the flow itself where the scene does not fix any.
    """
    height, width = known.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    moved_x, moved_y = x + flow[0].numpy(), y + flow[1].numpy()
    epipole = np.linalg.svd(fundamental)[0][:, 2]
    matrix = fundamental / np.linalg.norm(fundamental)
    line = _multiply(matrix, x, y)
    other_line = _multiply(matrix.T, moved_x, moved_y)
    off = line[0] * moved_x + line[1] * moved_y + line[2]
    square = line[0] ** 2 + line[1] ** 2 + 1e-18
    # Sampson's distance.
    distance = np.abs(off) / np.sqrt(square + other_line[0] ** 2 + other_line[1] ** 2)
    fitting = known.numpy() & (distance < 2 * EPIPOLAR.tolerance)
    share = float(fitting.sum() / max(1, known.sum()))
    if not fitting.any():
        return RigidFlow(flow.clone(), 0.0)
    # The foot of the match on its line, and d from its cross products with A x1 and e.
    foot = np.stack((moved_x - off / square * line[0], moved_y - off / square * line[1], np.ones_like(x)))
    start = _multiply(_cross_matrix(epipole) @ matrix, x, y)
    along, arm = np.cross(foot, start, axis=0), np.cross(foot, epipole[:, None, None], axisa=0, axisb=0, axisc=0)
    leverage = (arm**2).sum(0)
    d = -(along * arm).sum(0) / np.maximum(leverage, 1e-15)
    # Near the epipole any d gives the same flow.
    telling = fitting & (leverage > EPIPOLAR.leverage * np.median(leverage[fitting]))
    if telling.sum() < EPIPOLAR.fewest:
        return RigidFlow(flow.clone(), 0.0)
    centre, spread = np.median(d[telling]), d[telling].std() + 1e-12
    planes = torch.from_numpy(np.stack(((d - centre) / spread, np.zeros_like(d)))).float()[None]
    d = inpaint(planes, torch.from_numpy(telling)[None, None], workers)[0, 0].double().numpy() * spread + centre
    end = start + epipole[:, None, None] * d
    # What would come to lie behind the camera keeps its flow.
    front = end[2] * np.sign(np.median(end[2][telling])) > 1e-9
    depth = np.where(front, end[2], 1.0)
    rigid = np.stack((end[0] / depth - x, end[1] / depth - y))
    real = front & (np.abs(rigid) < 2 * width).all(0)
    return RigidFlow(torch.from_numpy(np.where(real, rigid, flow.numpy())).float(), share)


def continue_batch(flow: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Do both for a batch on another device than the CPU; only the fit of F, from some pixels, is the host's.

    Args:
        flow: float32 `(N, 2, H, W)` in pixels; finite.
        known: bool `(N, 1, H, W)`.

    Returns:
        The rigid flow, the same shape, and the share of each, float32 `(N,)`; see `RigidFlow`.
    """
    matrices = np.zeros((len(flow), 3, 3))
    for matrix, one, speaks in zip(matrices, flow.cpu(), known[:, 0].cpu(), strict=True):
        found = find_fundamental(one, speaks)
        if found is not None:
            matrix[:] = found
    epipoles = np.ascontiguousarray(np.linalg.svd(matrices)[0][:, :, 2])
    fundamental, epipole = (torch.from_numpy(part).to(flow.device) for part in (matrices, epipoles))
    return batched.continue_rigidly(flow, known, fundamental, epipole, choose_cell(known.shape[2], known.shape[3]))


def _multiply(matrix: Array, x: Array, y: Array) -> Array:
    """Multiply `(3, 3)` by the homogeneous points (x, y, 1): `(3, H, W)`."""
    return np.stack([row[0] * x + row[1] * y + row[2] for row in matrix])


def _cross_matrix(vector: Array) -> Array:
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
