from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from flowcli.benchmark.random_weights import make_random_network
from flowcli.benchmark.transformers_network import build_transformers_network
from flowcli.errors import EngineError, InputError
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY

REDUCED = replace(PERCEIVER_IO, tile=(9, 14), latents=12, latent_width=32, layers=2, heads=4, flow_scale=0.3)


@pytest.mark.parametrize("gelu", ["tanh", "erf"])
@pytest.mark.slow
def test_transformers_computes_the_same_flow(gelu: str) -> None:
    ours = make_random_network(replace(REDUCED, gelu="tanh" if gelu == "tanh" else "erf"))
    frame1, frame2 = torch.rand(2, 2, 3, *REDUCED.tile, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = ours(frame1, frame2)
    assert expected.std() > 0.1
    torch.testing.assert_close(build_transformers_network(ours)(frame1, frame2), expected, atol=1e-4, rtol=0)


def test_networks_that_the_library_cannot_express_are_refused() -> None:
    with pytest.raises(InputError, match="found features 8 instead of 64; use --model perceiver-io"):
        build_transformers_network(make_random_network(TINY))


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EngineError, match="pip install transformers"):
        build_transformers_network(make_random_network(REDUCED))


def test_random_networks_are_lively_and_repeatable() -> None:
    config = replace(COMPACT, tile=(8, 10), layers=1)
    one, two = make_random_network(config, seed=3), make_random_network(config, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert all(tensor.abs().max() > 0 for tensor in one.state_dict().values())
    frame1, frame2 = torch.rand(2, 1, 3, *config.tile, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        assert 0.1 < one(frame1, frame2).std() < 10
