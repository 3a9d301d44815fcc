from __future__ import annotations

import pytest
import torch
from textured_frames import constant_flow, textured_frame
from torch import Tensor

from flowcli.coarse_to_fine.config import GATE
from flowcli.coarse_to_fine.gate import VARIATIONAL_UPDATE, Update, apply_updates, refine_full_size
from flowcli.coarse_to_fine.pyramid import Level
from flowcli.runtime import strips


def test_the_gate_in_strips_is_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    level = Level(textured_frame(64, 48), torch.roll(textured_frame(64, 48), 2, dims=3))
    flow = torch.randn(1, 2, 64, 48, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(flow.shape, generator=torch.Generator().manual_seed(10))
    updates = [Update(lambda level, flow: flow + noise), Update(lambda level, flow: flow * 0.7, growth=0.9)]
    whole = apply_updates(level, flow.clone(), updates)
    assert 0.1 < (whole == flow).float().mean() < 0.9
    monkeypatch.setattr(strips, "STRIP_PIXELS", 48 * 7)
    cut = apply_updates(level, flow.clone(), updates)
    assert (cut - whole).abs().gt(1e-5).float().mean() < 0.002  # where the gate hangs on a rounding


def test_an_update_that_is_not_finite_does_not_pass_the_gate() -> None:
    level = Level(textured_frame(64, 48), textured_frame(64, 48))
    flow = torch.zeros(1, 2, 64, 48)

    def spoil(level: Level, flow: Tensor) -> Tensor:
        spoiled = flow.clone()
        spoiled[..., 20:30, 10:20] = torch.nan
        return spoiled

    assert torch.equal(apply_updates(level, flow.clone(), [Update(spoil)]), flow)


def test_updates_are_kept_where_they_are_better_and_each_goes_on_from_the_last() -> None:
    frame = textured_frame(64, 80)
    level = Level(frame, torch.roll(frame, 4, dims=3))
    truth = constant_flow(4, 0, 64, 80)

    def half_right(level: Level, flow: Tensor) -> Tensor:
        answer = truth.clone()
        answer[..., :40] = -7
        return answer

    # So far it is the other half that is right.
    start = truth.clone()
    start[..., 40:] = 0
    flow = apply_updates(level, start.clone(), [Update(half_right)])
    assert torch.equal(flow[..., 8:30], truth[..., 8:30])
    assert (flow[..., 50:70] == truth[..., 50:70]).float().mean() > 0.95
    seen: list[Tensor] = []

    def look(level: Level, flow: Tensor) -> Tensor:
        seen.append(flow.clone())
        return flow

    apply_updates(level, start.clone(), [Update(half_right), Update(look)])
    assert torch.equal(seen[0], flow)


def test_a_variational_update_has_to_gain_something() -> None:
    assert VARIATIONAL_UPDATE.growth == 1 and VARIATIONAL_UPDATE.tolerance == -GATE.least_gain < 0
    frame = textured_frame(64, 80)
    level = Level(frame, torch.roll(frame, 1, dims=3))
    flow = torch.zeros(1, 2, 64, 80)
    found = apply_updates(level, flow.clone(), [VARIATIONAL_UPDATE])
    assert 0.2 < found[0, 0, 10:-10, 10:-10].median() < 1.1
    # The flow is right already: what is left to gain is too little.
    still = Level(frame, frame)
    assert torch.equal(apply_updates(still, flow.clone(), [VARIATIONAL_UPDATE]), flow)


def test_refinement_at_full_size_is_done_in_place_so_many_times() -> None:
    frame = textured_frame(64, 80)
    level = Level(frame, torch.roll(frame, 2, dims=3))
    truth = constant_flow(2, 0, 64, 80)
    nearly = truth + torch.tensor([0.5, -0.3])[:, None, None]
    assert torch.equal(refine_full_size(level, nearly.clone(), 0), nearly)
    errors: list[float] = []
    for rounds in (1, 3):
        flow = nearly.clone()
        assert refine_full_size(level, flow, rounds) is flow
        errors.append((flow - truth)[..., 8:-8, 8:-8].norm(dim=1).mean().item())
    assert errors[1] < errors[0] < 0.58
