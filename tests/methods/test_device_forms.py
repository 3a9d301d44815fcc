"""Estimates with the forms of the steps that a GPU takes, on the CPU, against the default ones."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import Any

import numpy as np
import pytest
from device_forms import forms_of_a_gpu
from golden_scenes import SCENES
from torch import Tensor

from flowcli.estimator import Estimator


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("fast", "large motion"),
        *(pytest.param(preset, name, marks=pytest.mark.slow) for preset in ("balanced", "best") for name in SCENES),
    ],
)
def test_the_flow_is_that_of_the_host(preset: str, name: str) -> None:
    scene = SCENES[name]()
    estimator = Estimator(preset=preset, device="cpu", kernels="torch")
    host = estimator.flow(scene.frame1, scene.frame2).uv
    with forms_of_a_gpu():
        flow = estimator.flow(scene.frame1, scene.frame2).uv
    difference = np.linalg.norm(flow - host, axis=2)
    # Measured with OpenCV 5: at most 0.0002 on average, 0.0001 at 99 of 100 pixels; a gate may hang on a rounding.
    assert 0 < difference.mean() < 0.005
    assert np.quantile(difference, 0.99) < 0.02
    error, host_error = (np.linalg.norm(uv - scene.flow, axis=2)[scene.visible].mean() for uv in (flow, host))
    assert error < 1.01 * host_error


@pytest.mark.slow
def test_both_directions_of_several_pairs_are_those_of_each() -> None:
    scenes = [SCENES[name]() for name in ("large motion", "occlusion")]
    pairs = [(scene.frame1[:90, :120], scene.frame2[:90, :120]) for scene in scenes]
    estimator = Estimator(preset="fast", device="cpu", kernels="torch")
    with forms_of_a_gpu():
        first, second = estimator.method.estimate_both(pairs)  # pyright: ignore[reportAttributeAccessIssue]
        for flow, frames in ((first[0], pairs[0]), (second[1], pairs[1][::-1])):
            assert np.linalg.norm(flow.uv - estimator.flow(*frames).uv, axis=2).mean() < 0.005


def test_hardly_anything_goes_through_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's work is queued; whoever asks for a number, or for where something is, waits until all of it is done."""
    asked: Counter[str] = Counter()

    def watch(name: str) -> None:
        original = getattr(Tensor, name)

        def ask(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            asking = [frame.name for frame in traceback.extract_stack() if "/coarse_to_fine/" in frame.filename]
            if asking:
                asked[f"{name} in {asking[-1]}"] += 1
            return original(self, *args, **kwargs)

        monkeypatch.setattr(Tensor, name, ask)

    for name in ("cpu", "numpy", "item", "tolist", "nonzero", "__bool__", "__float__", "__int__"):
        watch(name)
    scene = SCENES["occlusion"]()
    estimator = Estimator(preset="fast", device="cpu", kernels="torch")
    with forms_of_a_gpu():
        estimator.flow(scene.frame1, scene.frame2)
    assert set(asked) == {
        # The fit of F, once per estimate.
        "cpu in continue_batch",
        "numpy in find_fundamental",
        # How many pixels are at edges, once per filter.
        "nonzero in weighted_median",
        # Of positions that are on the CPU.
        "__int__ in resize_flow_rows",
    }
