"""What the coarse network is shown: whole rendered frames at the matched level, with the estimator's own candidates.

A rendered pair costs most of its time before the network sees it (the match), so a pool of recent groups is kept, and
every group is shown several times, flipped and recoloured. Which pairs a step sees follows from the seed and its number
alone; a resumed run renders the pool anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.candidates import Question, gather_evidence, match_rigidly, with_opposite
from flowcli.coarse_to_fine.initialise import match_level
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.kernels.library import Library
from flowcli.model.coarse import Answer, CoarseFlow
from flowcli.runtime.threads import Workers
from flowcli.training.motion import uniform
from flowcli.training.synthetic import World, make_pairs

ROWS = 50, 66
"""Rows of a frame at the matched level."""

SCALE_WEIGHT = 0.1
"""Of the likelihood of the error's scale beside the error."""


@dataclass(frozen=True)
class Aspect:
    """A kind of frame.

    Attributes:
        until: the share of the groups up to here, this one included.
        width: least and largest width as a multiple of the height.
        largest: longest motion in pixels that is drawn; lengths are log-uniform from 3.
        world: what it shows.
    """

    until: float
    width: tuple[float, float]
    largest: float
    world: World


ASPECTS = (
    Aspect(0.35, (1.1, 1.45), 24, World(9, 0.42, 0.25)),
    Aspect(0.6, (1.5, 2.4), 24, World(9, 0.42, 0.4)),
    Aspect(1.0, (3.0, 3.4), 22, World(8, 0.33, 0.85)),
)
"""4:3 frames; 16:9 and cinema; and wide ones as driving cameras take them, mostly streets."""


@dataclass(frozen=True)
class CoarsePairs:
    """Rendered pairs with what the estimator finds at first; flows in pixels.

    Attributes:
        frame1: float `(B, 3, H, W)` in [-1, 1].
        frame2: the same shape.
        match: `(B, 2, 2, H, W)`: from frame 1, from frame 2.
        refined: the same shape.
        rigid: from frame 1, `(B, 2, H, W)`.
        share: `(B,)`.
        flow: the truth, `(B, 2, H, W)`.
        visible: bool `(B, 1, H, W)`.
    """

    frame1: Tensor
    frame2: Tensor
    match: Tensor
    refined: Tensor
    rigid: Tensor
    share: Tensor
    flow: Tensor
    visible: Tensor

    def ask(self) -> Question:
        """Make the network's input."""
        return gather_evidence(self.frame1, self.frame2, self.match, self.refined, self.rigid, self.share)


def make_coarse_pairs(
    generator: Generator, bank: Tensor, batch: int, kernels: Library | None = None, aspect: Aspect | None = None
) -> CoarsePairs:
    """Render a group of one size and match it.

    Args:
        generator: source of all randomness, on the CPU as the match is.
        bank: uint8 `(T, 3, S, S)` textures.
        batch: B.
        kernels: compiled kernels for the match; None: torch.
        aspect: the kind of frame; None: drawn.
    """
    chance, share, length, rows = (float(value) for value in torch.rand(4, generator=generator))
    kind = aspect or next(aspect for aspect in ASPECTS if chance <= aspect.until)
    height = ROWS[0] + 2 * int(rows * (ROWS[1] - ROWS[0]) / 2)
    width = 2 * round(height * (kind.width[0] + share * (kind.width[1] - kind.width[0])) / 2)
    largest = math.exp(math.log(3) + length * math.log(kind.largest / 3))
    pairs = make_pairs(generator, bank, batch, (height, width), 0, largest, kind.world)
    frames = torch.cat((pairs.frame1, pairs.frame2)), torch.cat((pairs.frame2, pairs.frame1))
    with torch.no_grad():
        level = Level(*frames, Workers(1))
        found = match_rigidly(level, match_level(level, kernels))
    match, refined = (with_opposite(flow)[:batch] for flow in (found.raw, found.refined))
    rigid, shares = found.rigid[:batch], found.share[:batch]
    return CoarsePairs(pairs.frame1, pairs.frame2, match, refined, rigid, shares, pairs.flow, pairs.visible)


def vary(generator: Generator, pairs: CoarsePairs) -> CoarsePairs:
    """Show pairs in another way: mirrored (half of the time), upside down (one in six), colours exchanged."""
    chances = torch.rand(2, generator=generator).tolist()
    for axis, chance, share in ((3, chances[0], 0.5), (2, chances[1], 0.15)):
        if chance < share:
            pairs = _mirror(pairs, axis)
    colours = torch.randperm(3, generator=generator)
    return replace(pairs, frame1=pairs.frame1[:, colours], frame2=pairs.frame2[:, colours])


def _mirror(pairs: CoarsePairs, axis: int) -> CoarsePairs:
    """Mirror along x (axis 3) or y (axis 2); the motion along that axis changes its sign."""
    sign = torch.tensor([1.0, 1.0])
    sign[3 - axis] = -1
    mirrored: dict[str, Tensor] = {}
    for name in (field.name for field in fields(pairs) if field.name != "share"):
        value = getattr(pairs, name).flip(axis - 4)
        moves = name in ("match", "refined", "rigid", "flow")
        mirrored[name] = value * sign.view(2, 1, 1) if moves else value
    return replace(pairs, **mirrored)


def coarse_loss(answer: Answer, candidates: Tensor, flow: Tensor) -> Tensor:
    """Error of the answer in pixels to the power of 0.8, and the likelihood of its scale under Laplace's distribution.

    The scale learns from the error alone and does not weigh it: what is hard to see counts as much as the rest.

    Args:
        answer: for `(B, 3, H, W)` frames.
        candidates: `(B, K, 2, H, W)` in pixels.
        flow: the truth, `(B, 2, H, W)`.
    """
    step = flow.shape[2] // answer.scale.shape[2]
    pooled = F.avg_pool2d(candidates.flatten(0, 1), step).unflatten(0, candidates.shape[:2])
    estimate = (answer.weights[:, :, None] * pooled).sum(1) + answer.residual
    square = (estimate - F.avg_pool2d(flow, step)).square().sum(1, keepdim=True)
    distance = (square.detach() + 1e-3).sqrt()
    likelihood = 2 * answer.scale.log() + distance / answer.scale
    return (square + 1e-2).pow(0.4).mean() + SCALE_WEIGHT * likelihood.mean()


@torch.no_grad()
def coarse_error(model: CoarseFlow, pairs: list[CoarsePairs]) -> float:
    """Endpoint error of the answers over that of the refined match, mean over all pixels; 1 means nothing learned."""
    error, before = 0.0, 0.0
    for group in pairs:
        question = group.ask()
        flow = model(group.frame1, question.warped, question.evidence).flow(question.candidates)
        error += float((flow - group.flow).norm(dim=1).mean())
        before += float((group.refined[:, 0] - group.flow).norm(dim=1).mean())
    return error / before


def draw_number(generator: Generator, count: int) -> int:
    """Draw a whole number below `count`."""
    return int(uniform(generator, 0, 1, 1) * count) % count
