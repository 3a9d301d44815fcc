"""On a real GPU: the same flow as on the CPU. Deselected where there is none; test_one_device.py stands in there."""

import numpy as np
import pytest
from golden_scenes import SCENES

from flowcli.estimator import Estimator

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_coarse_to_fine_gives_the_flow_of_the_cpu(preset: str) -> None:
    scene = SCENES["large motion"]()
    flows = [
        Estimator(preset=preset, device=device, precision="fp32").flow(scene.frame1, scene.frame2).uv
        for device in ("cpu", "cuda")
    ]
    difference = np.linalg.norm(flows[0] - flows[1], axis=2)
    # A gate may hang on a rounding here and there.
    assert np.quantile(difference, 0.95) < 0.02
    assert difference.mean() < 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_network_alone_gives_the_flow_of_the_cpu(precision: str) -> None:
    scene = SCENES["occlusion"]()
    cpu = Estimator(refine=False, initial_flow="none", device="cpu").flow(scene.frame1, scene.frame2).uv
    gpu = Estimator(refine=False, initial_flow="none", device="cuda", precision=precision)
    difference = np.linalg.norm(cpu - gpu.flow(scene.frame1, scene.frame2).uv, axis=2)
    assert np.median(difference) < (0.01 if precision == "fp32" else 0.1)


def test_both_directions_on_the_gpu_are_those_of_two_calls() -> None:
    scene = SCENES["light change"]()
    estimator = Estimator(device="cuda", precision="fp32")
    both = estimator.flow_both(scene.frame1, scene.frame2)
    np.testing.assert_allclose(both.forward.uv, estimator.flow(scene.frame1, scene.frame2).uv, atol=1e-3)
    np.testing.assert_allclose(both.backward.uv, estimator.flow(scene.frame2, scene.frame1).uv, atol=1e-3)
