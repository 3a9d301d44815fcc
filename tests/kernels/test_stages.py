"""The compiled network is the reference network: every level of this processor, every kind of configuration."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowcli.benchmark.random_weights import make_random_network
from flowcli.kernels.library import Library
from flowcli.kernels.panels import choose_rows, cut_panels
from flowcli.kernels.processor import LEVELS, list_levels
from flowcli.kernels.stages import use_kernels
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig
from flowcli.model.folded import fold

# Widths and latents that fill whole blocks of lanes, half ones, and parts; odd depths; both GELUs.
CONFIGS = {
    "tiny": TINY,
    "published": replace(PERCEIVER_IO, tile=(9, 33), latents=70, latent_width=64, layers=2, heads=4),
    "published-erf": replace(PERCEIVER_IO, tile=(4, 48), latents=33, latent_width=30, layers=1, heads=2, gelu="erf"),
    "compact": replace(COMPACT, tile=(7, 38), layers=1),
    "no-layers": replace(TINY, tile=(1, 5), features=7, layers=0, query_residual=True, decoder_width=5),
    "many-rows": replace(TINY, tile=(200, 3), latents=2200, latent_width=8, layers=1),
}
NAMES = [level.name for level in LEVELS]


@pytest.fixture(scope="module")
def libraries(compiled: dict[str, Path]) -> dict[str, Library]:
    return {name: Library(path, name) for name, path in compiled.items()}


def make_frames(config: ModelConfig, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    frame1, frame2 = torch.rand(2, batch, 3, *config.tile, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return frame1, frame2


def test_levels_are_found_in_order() -> None:
    found = [level.name for level in list_levels()]
    assert found == [name for name in NAMES if name in found]
    flags = torch.cpu.get_capabilities()
    assert ("avx2" in found) == bool(flags.get("avx2") and flags.get("fma3"))


@pytest.mark.parametrize("name", CONFIGS)
def test_compiled_is_the_reference(name: str, libraries: dict[str, Library]) -> None:
    config = CONFIGS[name]
    model, frames = make_random_network(config), make_frames(config, 3)
    with torch.no_grad():
        exact = copy.deepcopy(model).double()(*(frame.double() for frame in frames)).float()
    assert exact.std() > 0.01
    for library in libraries.values():
        flow = use_kernels(fold(model), library)(*frames)
        assert flow.dtype == torch.float32
        torch.testing.assert_close(flow, exact, atol=5e-5, rtol=0, msg=lambda text, at=library: f"{at.level}: {text}")


@pytest.mark.parametrize("name", CONFIGS)
def test_bfloat16_rounds_operands_only(name: str, libraries: dict[str, Library]) -> None:
    config = CONFIGS[name]
    model, frames = make_random_network(config), make_frames(config, 2)
    exact = fold(model)(*frames)
    by_torch = (fold(model, torch.bfloat16)(*frames) - exact).square().mean().sqrt()
    for library in libraries.values():
        network = fold(model, torch.bfloat16)
        if torch.bfloat16 not in library.operands:
            with pytest.raises(ValueError, match="expected operands"):
                use_kernels(network, library)
            continue
        error = (use_kernels(network, library)(*frames) - exact).square().mean().sqrt()
        # Torch rounds its scores too.
        assert 0 < error < 1.2 * by_torch


def test_threads_change_nothing(libraries: dict[str, Library]) -> None:
    config = CONFIGS["published"]
    model, frames = make_random_network(config), make_frames(config, 2)
    threads = torch.get_num_threads()
    for library in libraries.values():
        network = use_kernels(fold(model), library)
        flows: list[torch.Tensor] = []
        try:
            for count in (1, 3):
                torch.set_num_threads(count)
                flows.append(network(*frames))
        finally:
            torch.set_num_threads(threads)
        # The linear maps between the kernels are torch's.
        torch.testing.assert_close(flows[0], flows[1], atol=2e-6, rtol=0)


def test_sharp_attention_neither_overflows_nor_vanishes(libraries: dict[str, Library]) -> None:
    model, frames = make_random_network(TINY), make_frames(TINY, 1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("query.weight", "key.weight")):
                tensor.mul_(30)
        exact = copy.deepcopy(model).double()(*(frame.double() for frame in frames)).float()
    for library in libraries.values():
        flow = use_kernels(fold(model), library)(*frames)
        assert flow.isfinite().all()
        torch.testing.assert_close(flow, exact, atol=1e-3, rtol=0)


def test_panels_hold_every_value_once() -> None:
    matrix = torch.arange(1.0, 2 * 5 * 3 + 1).view(2, 5, 3)
    panels = cut_panels(matrix, 14, torch.float32)
    assert panels.rows == 8 and panels.data.shape == (2, 1, 3, 8)
    assert torch.equal(panels.data[:, 0, :, :5], matrix.transpose(1, 2)) and not panels.data[..., 5:].any()
    halves = cut_panels(matrix, 14, torch.bfloat16).data
    assert halves.shape == (2, 1, 2, 8, 2)  # pairs of columns beside each other
    assert halves[1, 0, 0, 4].tolist() == matrix[1, 4, :2].tolist() and halves[1, 0, 1, 4, 1] == 0


@pytest.mark.parametrize(("length", "most", "rows"), [(322, 14, 14), (32, 14, 11), (24, 14, 12), (5, 6, 5), (12, 6, 6)])
def test_panels_fit_their_matrix(length: int, most: int, rows: int) -> None:
    assert choose_rows(length, most) == rows
