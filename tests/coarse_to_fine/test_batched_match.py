from __future__ import annotations

import pytest
import torch
from device_forms import forms_of_a_gpu
from textured_frames import textured_frame

from flowcli.coarse_to_fine.match import match_frames
from flowcli.runtime.threads import Workers


@pytest.mark.parametrize("size", [(24, 31), (33, 16)])
def test_it_is_the_form_of_the_host_to_the_bit(size: tuple[int, int]) -> None:
    frame1 = torch.cat((textured_frame(*size), textured_frame(*size).flip(3)))
    frame2 = torch.roll(frame1, (2, -3), dims=(2, 3))
    host = match_frames(frame1, frame2, Workers(1))
    with forms_of_a_gpu():
        matched = match_frames(frame1, frame2, Workers(1))
    for flow, expected in zip(matched, host, strict=True):
        assert flow.shape == (2, 2, *size) and torch.equal(flow, expected)
    assert (matched[0][:, :, 5:-5, 5:-5] - torch.tensor([-3.0, 2.0]).view(1, 2, 1, 1)).abs().median() < 0.5
