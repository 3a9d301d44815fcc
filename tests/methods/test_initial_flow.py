from __future__ import annotations

import numpy as np
import pytest
import torch

from flowcli.methods import initial_flow
from flowcli.methods.initial_flow import estimate_initial_flow


def test_the_flow_of_large_frames_is_kept_at_half_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    frame1 = blocks.repeat(8, axis=0).repeat(8, axis=1)
    frame2 = np.roll(frame1, (2, 8), axis=(0, 1))
    whole = estimate_initial_flow([(frame1, frame2)], torch.device("cpu"))
    assert whole.forward.shape == (1, 2, 128, 192)
    for limit in ("KEPT_PIXELS", "SEEN_PIXELS"):
        monkeypatch.setattr(initial_flow, limit, 128 * 192 - 1)
        halved = estimate_initial_flow([(frame1, frame2)], torch.device("cpu"))
        assert halved.forward.shape == halved.backward.shape == (1, 2, 64, 96)
        for flow, right, down in ((whole.forward, 8, 2), (halved.forward, 4, 1), (halved.backward, -4, -1)):
            assert flow[0, 0].median() == pytest.approx(right, abs=0.3)
            assert flow[0, 1].median() == pytest.approx(down, abs=0.3)
