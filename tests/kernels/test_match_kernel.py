"""The compiled match is torch's, to the bit, at every level of this processor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from flowcli.coarse_to_fine.match import match_frames
from flowcli.kernels.library import Library
from flowcli.runtime.threads import Workers

# Pairs of each size: a 16:9 level, a wide one, an odd and upright one, and the smallest that is matched.
SIZES = {(60, 107): 2, (31, 93): 1, (47, 22): 1, (16, 16): 1}


def moving_frames(height: int, width: int, pairs: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(height)
    texture = torch.rand(pairs, 3, height // 3 + 1, width // 3 + 1, generator=generator) * 2 - 1
    frame1 = F.interpolate(texture, (height, width), mode="bicubic").clamp(-1, 1)
    frame2 = torch.roll(frame1, (height // 12, -(width // 9)), dims=(2, 3))
    # A flat corner, where many displacements cost the same.
    frame2[:, :, : height // 3, : width // 3] = frame1[:, :, : height // 3, : width // 3] = 0.25
    return frame1, frame2 + 0.02 * torch.randn(frame2.shape, generator=generator)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.slow
def test_the_compiled_match_is_the_same_to_the_bit(size: tuple[int, int], compiled: dict[str, Path]) -> None:
    frames = moving_frames(*size, SIZES[size])
    expected = match_frames(*frames, Workers(1))
    assert all(flow.std() > 0.1 for flow in expected)
    for name, path in compiled.items():
        found = match_frames(*frames, Workers(1), Library(path, name))
        for flow, same in zip(found, expected, strict=True):
            torch.testing.assert_close(flow, same, atol=0, rtol=0, msg=lambda text, at=name: f"{at}: {text}")
