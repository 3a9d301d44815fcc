from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowcli.model.config import TINY
from flowcli.model.features import normalise
from flowcli.model.perceiver import PerceiverFlow
from flowcli.runtime.grid import blend_weights
from flowcli.runtime.tiles import TiledNetwork

HEIGHT, WIDTH = TINY.tile


class Recorder:
    """A network that answers with the first two colours of frame 1 and remembers what it was shown."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        assert frame1.shape == frame2.shape
        assert frame1.shape[1:] == (3, HEIGHT, WIDTH)
        self.batches.append(frame1.shape[0])
        return frame1[:, :2]


@pytest.mark.parametrize("size", [(1, 1), (17, 3), (3, 40), (HEIGHT, WIDTH), (HEIGHT + 1, WIDTH), (50, 61)])
def test_what_every_tile_agrees_on_survives_the_blend(size: tuple[int, int]) -> None:
    network = Recorder()
    tiled = TiledNetwork(network, TINY, batch=3, overlap=4, grid="even", cap=None)
    frames = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    flow = tiled(frames, frames)
    assert flow.shape == (2, 2, *size)
    torch.testing.assert_close(flow, frames[:, :2])
    assert max(network.batches) <= 3


def test_batch_size_changes_nothing() -> None:
    model = PerceiverFlow(TINY).eval()
    torch.nn.init.normal_(model.decoder.output.weight, generator=torch.Generator().manual_seed(1))
    frame1, frame2 = torch.rand(2, 2, 3, 30, 45, generator=torch.Generator().manual_seed(2)) * 2 - 1
    flows = [TiledNetwork(model, TINY, batch, 4, "even", None)(frame1, frame2) for batch in (1, 5, 64)]
    assert flows[0].std() > 1e-3
    for flow in flows[1:]:
        torch.testing.assert_close(flow, flows[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(3, 40), (30, 45)])
def test_bytes_are_normalised_tile_by_tile(size: tuple[int, int]) -> None:
    frames = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    tiled = TiledNetwork(Recorder(), TINY, batch=3, overlap=4, grid="even", cap=None)
    assert torch.equal(tiled(frames, frames), tiled(normalise(frames), normalise(frames)))


def test_two_overlapping_tiles_are_averaged_with_the_published_weights() -> None:
    answers = iter((torch.ones(1, 2, HEIGHT, WIDTH), torch.full((1, 2, HEIGHT, WIDTH), 3.0)))
    tiled = TiledNetwork(lambda a, b: next(answers), TINY, batch=1, overlap=4, grid="even", cap=None)
    frames = torch.zeros(1, 3, HEIGHT, 2 * WIDTH - 4)
    flow = tiled(frames, frames)
    weights = torch.from_numpy(blend_weights(TINY.tile))
    left, right = weights[5, WIDTH - 4 :], weights[5, :4]
    torch.testing.assert_close(flow[0, 0, 5, WIDTH - 4 : WIDTH], (left + 3 * right) / (left + right))
    assert (flow[0, 0, :, : WIDTH - 4] == 1).all()
    assert (flow[0, 0, :, WIDTH:] == 3).all()
