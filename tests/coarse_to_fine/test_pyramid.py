from __future__ import annotations

import pytest
import torch
from textured_frames import textured_frame

from flowcli.coarse_to_fine.photometric import to_brightness, to_grey
from flowcli.coarse_to_fine.pyramid import Level, Pyramid
from flowcli.coarse_to_fine.resize import resize_frames
from flowcli.coarse_to_fine.warp import warp
from flowcli.model.features import normalise


@pytest.mark.parametrize("size", [(90, 122), (77, 131), (1, 50)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_levels_from_halves_are_those_of_the_whole(size: tuple[int, int], kind: torch.dtype) -> None:
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    smooth = torch.stack((torch.sin(x / 40), torch.cos(y / 35), torch.sin((x + y) / 50)))[None]
    frames = ((smooth + 1) * 127.5).round().to(kind)
    frames = frames if kind == torch.uint8 else normalise(frames)
    sizes = [(max(1, size[0] // part), size[1] // part) for part in (9, 5, 3, 2, 1)]
    pyramid = Pyramid(frames, sizes[0])
    for level in sizes:
        found = pyramid.at(level)
        assert found.dtype == torch.float32 and found.shape == (1, 3, *level)
        torch.testing.assert_close(found, resize_frames(frames, level), atol=0.03, rtol=0)
    assert torch.equal(found, normalise(frames) if kind == torch.uint8 else frames)


def test_levels_in_8_bits_are_the_rounded_ones() -> None:
    frames = ((textured_frame(80, 100) + 1) * 127.5).round().byte()
    for level in ((13, 17), (31, 40), (80, 100)):
        found, exact = Pyramid(frames, (13, 17)).at(level, eight_bit=True), Pyramid(frames, (13, 17)).at(level)
        assert found.dtype == torch.uint8
        torch.testing.assert_close(found.float(), (exact + 1) * 127.5, atol=0.501, rtol=0)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_the_warped_brightness_of_rows_is_that_of_the_whole(kind: torch.dtype) -> None:
    frames = [textured_frame(40, 30), torch.roll(textured_frame(40, 30), 2, dims=3)]
    if kind == torch.uint8:
        frames = [((frame + 1) * 127.5).round().byte() for frame in frames]
    level = Level(*frames)
    flow = torch.randn(1, 2, 40, 30, generator=torch.Generator().manual_seed(0)) * 6
    flow[0, 1, 5, 5], flow[0, 0, 9, 9], flow[0, 1, 20, 3] = 1e6, torch.nan, torch.nan
    fill = to_brightness(frames[0])
    known = flow.isfinite().all(dim=1, keepdim=True)
    expected, inside = warp(to_brightness(frames[1]), flow, fill)
    for first in range(0, 40, 7):
        rows = slice(first, min(40, first + 7))
        assert torch.equal(level.brightness(rows), fill[:, :, rows])
        found, there = level.warped_brightness(flow[:, :, rows], rows, fill[:, :, rows])
        at = known[:, :, rows]
        assert torch.equal(there & at, (inside & known)[:, :, rows])
        torch.testing.assert_close(found[at], expected[:, :, rows][at], atol=1e-4, rtol=0)


def test_grey_frames_are_made_once() -> None:
    level = Level(textured_frame(10, 12), textured_frame(10, 12).flip(3))
    assert level.greys is level.greys
    assert (level.greys[0] == to_grey(level.frame1)).all() and (level.greys[1] == to_grey(level.frame2)).all()
