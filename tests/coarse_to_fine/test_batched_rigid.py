from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowcli.coarse_to_fine.epipolar import continue_batch, continue_rigidly, find_fundamental


def road(height: int = 60, width: int = 100) -> Tensor:
    """Flow `(2, H, W)` of a camera that drives ahead over a road, between walls."""
    y, x = torch.meshgrid(torch.arange(height) + 0.0, torch.arange(width) + 0.0, indexing="ij")
    # What is driven, in shares of the distance.
    driven = torch.where(y > 30, (y - 15) * 0.003, 0.04 + 0.03 * (x > 60))
    return torch.stack((x - 48, y - 15)) * (driven / (1 - driven))


def test_it_is_the_form_of_the_host() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = road()
    flow = torch.stack((truth, truth.flip(2), torch.randn(truth.shape, generator=generator) * 5, truth * 0))
    flow[1, 0] *= -1
    flow += 0.03 * torch.randn(flow.shape, generator=generator)
    known = torch.ones(4, 1, 60, 100, dtype=torch.bool)
    known[:, :, 48:] = known[0, :, :, 80:] = False
    known[3, :, 1:] = False  # too few of them
    flow[:2, :, 48:] = 0
    rigid, share = continue_batch(flow, known)
    assert rigid.dtype == share.dtype == torch.float32
    for index in range(4):
        fundamental = find_fundamental(flow[index], known[index, 0])
        if fundamental is None:
            assert torch.equal(rigid[index], flow[index]) and share[index] == 0
            continue
        host = continue_rigidly(flow[index], known[index, 0], fundamental)
        np.testing.assert_allclose(rigid[index], host.flow, rtol=0, atol=1e-3)
        assert abs(host.share - share[index]) < 1e-6
    assert share[0] > 0.8 and share[3] == 0
    # The road goes on where nothing was known.
    assert (rigid[0] - truth)[:, 50:, 10:75].norm(dim=0).mean() < 0.1 * truth[:, 50:, 10:75].norm(dim=0).mean()
