"""Whole pairs, numpy to numpy: the flow of the CPU with every preset, and ms per pair."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from golden_scenes import SCENES

from flowcli.benchmark.clock import measure
from flowcli.coarse_to_fine.config import PRESETS
from flowcli.estimator import Estimator
from flowcli.training.scene import make_scene
from gpu_checks.setup import Row, Setup
from gpu_checks.variants import peak_gib

BOUNDS = {"fp32": 0.02, "bf16": 0.15}
"""Largest mean difference in px from the CPU: a gate may hang on a rounding here and there."""

WORSE = {"fp32": 1.01, "bf16": 1.05}
"""Largest error against the truth, as a share of the CPU's."""

PAIRS_AT_ONCE = 4


def _models(setup: Setup) -> Iterator[tuple[str, str, str | None]]:
    """Name, file and preset of what is measured; the published network has no presets."""
    yield from (("compact", "compact", preset) for preset in PRESETS)
    path = str(setup.networks["perceiver-io"][0].path)
    yield "perceiver-io", path, None


def _build(model: str, preset: str | None, device: str, precision: str) -> Estimator:
    options = {} if preset is None else {"preset": preset}
    return Estimator(model, device=device, precision=precision, kernels="torch", **options)  # pyright: ignore[reportArgumentType]


def compare_pairs(setup: Setup) -> list[Row]:
    """Difference from the CPU on rendered scenes of large motion, occlusion and a change of light."""
    names = list(SCENES)[:1] if setup.small else list(SCENES)
    scenes = [SCENES[name]() for name in names]
    rows: list[Row] = []
    # A CPU without bfloat16 in hardware refuses it.
    precisions = ("fp32",) if setup.small else setup.precisions
    for name, model, preset in _models(setup):
        expected = [_build(model, preset, "cpu", "fp32").flow(scene.frame1, scene.frame2).uv for scene in scenes]
        for precision in precisions:
            estimator = _build(model, preset, str(setup.device), precision)
            for scene_name, scene, host in zip(names, scenes, expected, strict=True):
                with setup.forms():
                    flow = estimator.flow(scene.frame1, scene.frame2).uv
                difference = np.linalg.norm(flow - host, axis=2)
                error, host_error = (
                    float(np.linalg.norm(uv - scene.flow, axis=2)[scene.visible].mean()) for uv in (flow, host)
                )
                rows.append(
                    {
                        "model": name,
                        "preset": preset,
                        "precision": precision,
                        "scene": scene_name,
                        "mean px": float(difference.mean()),
                        "99 % px": float(np.quantile(difference, 0.99)),
                        "max px": float(difference.max()),
                        "error": error,
                        "CPU's error": host_error,
                        "holds": bool(
                            difference.mean() < BOUNDS[precision] and error <= WORSE[precision] * host_error + 1e-3
                        ),
                    }
                )
    return rows


def time_pairs(setup: Setup) -> list[Row]:
    """Time per pair and peak memory, one pair and several at once."""
    rows: list[Row] = []
    for size in setup.sizes:
        scene = make_scene(size, seed=4)
        pair = (scene.frame1, scene.frame2)
        for name, model, preset in _models(setup):
            for precision in ("fp32",) if setup.small else setup.precisions:
                estimator = _build(model, preset, str(setup.device), precision)
                for count in (1, PAIRS_AT_ONCE):
                    pairs = [pair] * count

                    def run(
                        estimator: Estimator = estimator, pairs: list[tuple[np.ndarray, np.ndarray]] = pairs
                    ) -> None:
                        estimator.method.estimate(pairs)

                    with setup.forms():
                        timing = measure(run, setup.repeats, setup.device)
                        memory = peak_gib(setup, run)
                    seconds = float(np.median(timing.wall)) / count
                    row: Row = {"model": name, "preset": preset, "precision": precision}
                    row |= {"size": f"{size[1]}x{size[0]}", "pairs at once": count, "ms/pair": seconds * 1e3}
                    rows.append(row | {"ms/Mpixel": seconds * 1e9 / (size[0] * size[1]), "GiB": memory})
    return rows
