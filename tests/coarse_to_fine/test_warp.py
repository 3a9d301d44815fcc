from __future__ import annotations

import torch

from flowcli.coarse_to_fine.warp import warp

GENERATOR = torch.Generator().manual_seed(0)


def test_whole_pixel_flow_moves_pixels_exactly() -> None:
    frame2 = torch.rand(1, 3, 9, 11, generator=GENERATOR)
    fill = torch.full_like(frame2, -7.0)
    flow = torch.zeros(1, 2, 9, 11)
    flow[:, 0], flow[:, 1] = 2, -1
    warped, inside = warp(frame2, flow, fill)
    torch.testing.assert_close(warped[..., 1:, :-2], frame2[..., :-1, 2:], atol=1e-5, rtol=0)
    assert inside[..., 1:, :-2].all()
    assert not inside[..., 0, :].any()
    assert not inside[..., :, -2:].any()
    assert (warped[..., 0, :] == -7).all()
    assert (warped[..., :, -2:] == -7).all()


def test_a_ramp_is_interpolated() -> None:
    ramp = torch.arange(20.0).expand(1, 1, 12, 20).clone()
    flow = torch.zeros(1, 2, 12, 20)
    flow[:, 0] = 0.25
    warped, _ = warp(ramp, flow, ramp)
    torch.testing.assert_close(warped[..., 3:-3], ramp[..., 3:-3] + 0.25, atol=1e-4, rtol=0)


def test_a_window_of_a_larger_frame() -> None:
    frame2 = torch.rand(2, 3, 20, 24, generator=GENERATOR)
    fill = torch.zeros(2, 3, 8, 9)
    warped, inside = warp(frame2, torch.zeros(2, 2, 8, 9), fill, origin=(5, 7))
    torch.testing.assert_close(warped, frame2[..., 5:13, 7:16], atol=1e-5, rtol=0)
    assert inside.all()
