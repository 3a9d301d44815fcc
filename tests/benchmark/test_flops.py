"""The formulas count what torch counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from flowcli.benchmark.flops import STAGES, count_folded, count_reference
from flowcli.benchmark.random_weights import make_random_network
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig
from flowcli.model.folded import fold

CONFIGS = [TINY, replace(COMPACT, tile=(9, 13)), replace(PERCEIVER_IO, tile=(5, 8), latents=32, layers=1)]


def count(network: nn.Module, config: ModelConfig) -> dict[str, int]:
    frames = torch.zeros(2, 1, 3, *config.tile)
    # The fused attention of a CPU is not in torch's tables.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(*frames)
    return {module: sum(operations.values()) for module, operations in counter.get_flop_counts().items()}


@pytest.mark.parametrize("config", CONFIGS, ids=["tiny", "compact", "published"])
def test_formulas_count_what_torch_counts(config: ModelConfig) -> None:
    network = make_random_network(config).requires_grad_(False)
    for module, formula in ((network, count_reference), (fold(network), count_folded)):
        counted, stages = count(module, config), formula(config)
        assert tuple(stages) == STAGES
        assert sum(stages.values()) == counted["Global"]
        root = type(module).__name__
        assert stages["pixels"] == counted[f"{root}.pixels"]
        latents = sum(count for name, count in counted.items() if name.endswith(tuple(f"layers.{i}" for i in range(9))))
        assert stages["latents"] == latents
        assert stages["decoder"] == counted[f"{root}.decoder"]


@pytest.mark.parametrize("formula", [count_reference, count_folded])
def test_arithmetic_grows_with_the_pixels(formula: Callable[[ModelConfig], dict[str, int]]) -> None:
    one, four = (formula(replace(PERCEIVER_IO, tile=tile)) for tile in ((100, 200), (200, 400)))
    assert four["latents"] == one["latents"]
    for stage in ("pixels", "encoder", "decoder"):
        assert 3 * one[stage] < four[stage] <= 4 * one[stage]


def test_folding_pays() -> None:
    published = [sum(formula(PERCEIVER_IO).values()) / 1e9 for formula in (count_reference, count_folded)]
    assert published == pytest.approx([1887, 793], abs=1)
