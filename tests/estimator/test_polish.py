from __future__ import annotations

import numpy as np
import pytest

from flowcli.estimator.polish import SMALLEST_SIDE, polish_flow
from flowcli.flow import FlowField
from flowcli.training.scene import make_scene


def test_a_flow_that_is_nearly_right_gets_better() -> None:
    scene = make_scene((96, 128), seed=15)
    nearly = FlowField(scene.truth.uv + np.float32([0.5, -0.3]))
    before = nearly.uv.copy()
    polished = polish_flow(scene.frame1, scene.frame2, nearly)
    error = np.linalg.norm(polished.uv - scene.truth.uv, axis=2).mean()
    assert error < 0.9 * np.hypot(0.5, 0.3)
    np.testing.assert_array_equal(nearly.uv, before)


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST_SIDE - 1, 40), (SMALLEST_SIDE, SMALLEST_SIDE), (9, 200)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 90, np.uint8)
    field = FlowField(np.ones((*size, 2), np.float32))
    polished = polish_flow(frame, frame, field)
    assert polished.size == size
    np.testing.assert_allclose(polished.uv, 1, atol=1e-3)
