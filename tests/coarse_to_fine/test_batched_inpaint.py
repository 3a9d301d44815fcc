from __future__ import annotations

import pytest
import torch
from device_forms import forms_of_a_gpu
from torch import Tensor
from torch.nn import functional as F

from flowcli.coarse_to_fine.batched import inpaint as batched
from flowcli.coarse_to_fine.inpaint import inpaint


def make_flow(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Bent motion of two frames with some noise, and smooth regions that are unknown."""
    generator = torch.Generator().manual_seed(height + width)
    coarse = torch.randn(2, 2, max(2, height // 30), max(2, width // 30), generator=generator) * 10
    flow = F.interpolate(coarse, (height, width), mode="bilinear")
    unknown = torch.randn(2, 1, max(2, height // 20), max(2, width // 20), generator=generator)
    return flow + 0.2 * torch.randn(flow.shape, generator=generator), F.interpolate(unknown, (height, width)) > -0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (41, 7), (65, 130), (200, 301)])
def test_it_is_the_form_of_the_host(size: tuple[int, int]) -> None:
    flow, known = make_flow(*size)
    host = inpaint(flow.clone(), known)
    with forms_of_a_gpu():
        inpainted = inpaint(flow, known)
    # Measured: 0.000006 px at most, up to frames of 1920x1080.
    torch.testing.assert_close(inpainted, host, rtol=0, atol=1e-4)
    assert torch.equal(torch.where(known, inpainted, 0), torch.where(known, flow, 0))
    assert size == (1, 1) or not torch.equal(inpainted, flow)


@pytest.mark.parametrize("everything", [True, False])
def test_without_any_or_with_only_known_pixels_nothing_changes(everything: bool) -> None:
    flow, _ = make_flow(30, 40)
    known = torch.full((2, 1, 30, 40), everything)
    known[1, :, :5] = True
    with forms_of_a_gpu():
        assert torch.equal(inpaint(flow, known)[0], flow[0])


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, known = make_flow(50, 70)
    whole = batched.inpaint(flow, known, 4)
    monkeypatch.setattr(batched, "PIXELS", 300)
    torch.testing.assert_close(batched.inpaint(flow, known, 4), whole, rtol=0, atol=1e-5)


def test_far_from_the_first_pixel_it_is_as_exact() -> None:
    flow, known = make_flow(40, 8000)
    with forms_of_a_gpu():
        inpainted = inpaint(flow, known)
    torch.testing.assert_close(inpainted, inpaint(flow.clone(), known), rtol=0, atol=1e-4)
