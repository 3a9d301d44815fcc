"""The steps around the networks: the device's forms against the host's, and what they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from flowcli.benchmark.clock import interleave
from flowcli.coarse_to_fine.consistency import is_consistent
from flowcli.coarse_to_fine.inpaint import inpaint
from flowcli.coarse_to_fine.match import match_frames
from flowcli.coarse_to_fine.median import median_filter, weighted_median
from flowcli.coarse_to_fine.photometric import box_mean, to_grey
from flowcli.coarse_to_fine.resize import resize_frames
from flowcli.coarse_to_fine.variational import refine_variational
from flowcli.coarse_to_fine.warp import warp
from flowcli.model.features import normalise, stack_frames
from flowcli.runtime.threads import Workers
from flowcli.training.scene import make_scene
from gpu_checks.setup import Row, Setup, Size
from gpu_checks.variants import Variants, make_variants, peak_gib

MATCHED = 60
"""Rows of the level that is matched."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        run: of a frame pair, its flow, and where that is known.
        bound: largest mean difference from the host's form, in px or grey levels / 127.5.
        queued: it never waits for the device, so a CUDA graph can hold it.
        compiled: its loops are short enough for torch.compile.
    """

    run: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    bound: float
    queued: bool = True
    compiled: bool = True


ALONE = Workers(1)
STEPS = {
    # The host works in blocks, which alone make some 0.001 px; an OpenCV before 5 warps to 1/32 px.
    "refinement": Step(lambda f1, f2, flow, _: refine_variational(to_grey(f1), to_grey(f2), flow), 0.01),
    "inpainting": Step(lambda f1, f2, flow, known: inpaint(flow.clone(), known), 0.001),
    "weighted median": Step(lambda f1, f2, flow, _: weighted_median(flow.clone(), f1, ALONE), 0.001, queued=False),
    "median": Step(lambda f1, f2, flow, _: median_filter(flow, 5), 1e-6),
    "box mean": Step(lambda f1, f2, flow, _: box_mean(normalise(f1), 9), 1e-4),
    "warping": Step(lambda f1, f2, flow, _: warp(normalise(f2), flow, normalise(f1))[0], 1e-3),
    "consistency": Step(lambda f1, f2, flow, _: is_consistent(flow, -flow).float(), 1e-3),
    "match": Step(lambda f1, f2, flow, _: _match(f1, f2), 0.001, compiled=False),
}


def _match(frame1: Tensor, frame2: Tensor) -> Tensor:
    height, width = frame1.shape[2:]
    size = (min(MATCHED, height), round(width * min(MATCHED, height) / height))
    return torch.cat(match_frames(resize_frames(frame1, size), resize_frames(frame2, size), ALONE))


def make_case(size: Size) -> tuple[Tensor, ...]:
    """Frames uint8 `(1, 3, H, W)`, a flow some tenths of a pixel off, and where it is known."""
    scene = make_scene(size, seed=4)
    noise = np.random.default_rng(1).normal(0, 2, scene.truth.uv.shape).astype(np.float32)
    flow = scene.truth.uv + np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.float32)
    known = torch.ones(1, 1, *size, dtype=torch.bool)
    known[..., : size[1] // 8] = known[..., size[0] // 3 : size[0] // 2, size[1] // 3 : size[1] // 2] = False
    frames = (stack_frames([frame]).contiguous() for frame in (scene.frame1, scene.frame2))
    return *frames, torch.from_numpy(flow).permute(2, 0, 1)[None].contiguous(), known


def compare_steps(setup: Setup, names: Sequence[str] = tuple(STEPS)) -> list[Row]:
    """Difference and time of each step; "host ms" is the CPU's form on this machine, in one thread of ours."""
    rows: list[Row] = []
    for size in setup.sizes:
        case = make_case(size)
        on_device = tuple(tensor.to(setup.device) for tensor in case)
        for name in names:
            step = STEPS[name]
            expected = step.run(*case)
            with setup.forms():
                variants = Variants({"plain": partial(step.run, *on_device)}, {}, {})
                if step.queued:
                    variants = make_variants(setup, step.run, *on_device, compiled=step.compiled)
                runs = variants.runs
                difference = (runs["plain"]().cpu() - expected).norm(dim=1)
                timings = interleave(runs, setup.repeats, setup.device)
                memory = peak_gib(setup, runs["plain"])
                # A graph is replayed, and what was compiled computes the same.
                agree = [(run().cpu() - expected).norm(dim=1).mean().item() < step.bound for run in runs.values()]
            host = interleave({"": partial(step.run, *case)}, setup.repeats, torch.device("cpu"))
            row: Row = {"step": name, "size": f"{size[1]}x{size[0]}", "host ms": np.median(host[""].wall) * 1e3}
            row |= {f"{way} ms": np.median(timing.wall) * 1e3 for way, timing in timings.items()}
            row |= {"GiB": memory, "mean px": difference.mean().item(), "max px": difference.max().item()}
            rows.append(row | {"holds": all(agree), "failed": variants.failures})
    return rows
