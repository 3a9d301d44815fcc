"""The folded network is the reference network: every kind of configuration, in chunks and batches of any size."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig
from flowcli.model.folded import fold
from flowcli.model.folded.positions import split_positions
from flowcli.model.folded.products import apply_gelu, split_evenly
from flowcli.model.perceiver import PerceiverFlow

PUBLISHED = replace(PERCEIVER_IO, tile=(8, 19), latents=24, latent_width=64, layers=2, heads=4)
CONFIGS = {
    "tiny": TINY,
    "published": PUBLISHED,
    "published-erf": replace(PUBLISHED, gelu="erf"),
    "published-gated": replace(PUBLISHED, pixel_network="gated", pixel_width=9),
    "compact": replace(COMPACT, tile=(7, 38), latents=20, layers=1),
    "compact-linear": replace(COMPACT, tile=(8, 9), latents=20, layers=1, pixel_network="linear", pixel_width=0),
    "no-residual": replace(TINY, pixel_network="gated", pixel_width=5, decoder_width=7, gelu="erf"),
    "no-layers": replace(TINY, layers=0, query_residual=True, decoder_width=5),
}


def make_model(config: ModelConfig, sharpness: float = 2.0) -> PerceiverFlow:
    """Every value random, LayerNorms and biases too; flow of about a pixel; attention that chooses."""
    generator = torch.Generator().manual_seed(0)
    model = PerceiverFlow(config).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator)
            if "norm.weight" in name:
                tensor.copy_(1 + 0.3 * noise)
            elif name.endswith("weight") or "matrix" in name:
                gain = sharpness if name.endswith(("query.weight", "key.weight")) else 1
                tensor.copy_(gain * noise / tensor.shape[1] ** 0.5)
            else:
                tensor.copy_(0.3 * noise)
        model.decoder.output.weight.div_(config.flow_scale)
    return model


def make_frames(config: ModelConfig, batch: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    frame1, frame2 = torch.rand(2, batch, 3, *config.tile, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return frame1, frame2


def run_exactly(model: PerceiverFlow, frames: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The reference's flow, and what it would be without rounding."""
    with torch.no_grad():
        return model(*frames), copy.deepcopy(model).double()(*(frame.double() for frame in frames)).float()


@pytest.mark.parametrize("name", CONFIGS)
def test_folded_is_the_reference(name: str) -> None:
    config = CONFIGS[name]
    model, frames = make_model(config), make_frames(config, 3)
    before = [frame.clone() for frame in frames]
    expected, exact = run_exactly(model, frames)
    assert exact.std() > 0.1
    for chunk in (None, 100, 10**9):
        flow = fold(model, chunk=chunk)(*frames)
        assert (flow.dtype, flow.requires_grad) == (torch.float32, False)
        torch.testing.assert_close(flow, exact, atol=5e-5, rtol=0)
        torch.testing.assert_close(flow, expected, atol=1e-4, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(frames, before, strict=True))


def test_every_tile_of_a_batch_is_as_it_is_alone() -> None:
    config = CONFIGS["compact"]
    folded, (frame1, frame2) = fold(make_model(config)), make_frames(config, 7)
    together = folded(frame1, frame2)
    assert together.shape == (7, 2, *config.tile)
    for tile in range(7):
        alone = folded(frame1[tile : tile + 1], frame2[tile : tile + 1])
        torch.testing.assert_close(together[tile : tile + 1], alone, atol=3e-5, rtol=0)


def test_trained_weights_agree() -> None:
    model = build_model(load_checkpoint("compact"))
    height, width = model.config.tile
    y, x = torch.meshgrid(torch.arange(height) / 5, torch.arange(width) / 7, indexing="ij")
    frame1 = torch.stack((x.sin() * y.cos(), (x * y / 3).sin(), (x - y).cos()))[None] * 0.8
    frame2 = frame1.roll((1, -2), dims=(2, 3))
    with torch.no_grad():
        torch.testing.assert_close(fold(model)(frame1, frame2), model(frame1, frame2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("chunk", [None, 1])
def test_sharp_attention_neither_overflows_nor_vanishes(chunk: int | None) -> None:
    model, frames = make_model(TINY, sharpness=60), make_frames(TINY, 1)
    flow = fold(model, chunk=chunk)(*frames)
    assert flow.isfinite().all()
    torch.testing.assert_close(flow, run_exactly(model, frames)[1], atol=3e-4, rtol=0)


def test_constants_are_the_folded_network_s_own() -> None:
    model, frames = make_model(TINY), make_frames(TINY, 1)
    folded = fold(model)
    before = folded(*frames)
    for parameter in model.parameters():
        parameter.data.zero_()
    assert torch.equal(folded(*frames), before)


def test_bfloat16_rounds_operands_only() -> None:
    config = CONFIGS["published"]
    model, frames = make_model(config, sharpness=1), make_frames(config, 1)
    exact = fold(model)(*frames)
    rounded = fold(model, operands=torch.bfloat16)(*frames)
    assert rounded.dtype == torch.float32
    difference = (rounded - exact).abs().max() / exact.std()
    assert 1e-4 < difference < 0.1


def test_frames_of_another_size_are_refused() -> None:
    folded = fold(make_model(TINY))
    frame1, frame2 = torch.zeros(1, 3, 12, 16), torch.zeros(1, 3, 12, 17)
    for frames in ((frame1, frame2), (frame2, frame2)):
        with pytest.raises(ValueError, match=r"expected two frames of \('B', 3, 12, 16\)"):
            folded(*frames)


def test_positions_that_mix_row_and_column_are_refused() -> None:
    model = make_model(TINY)
    model.positions[5, 4] += 0.1
    with pytest.raises(ValueError, match="channel 4"):
        fold(model)


def test_positions_are_put_together_again() -> None:
    config = replace(TINY, tile=(1, 5))  # on a single row every channel is constant along the columns' axis
    for model in (PerceiverFlow(config), PerceiverFlow(TINY)):
        height, width = model.config.tile
        split = split_positions(model.positions, model.config.tile)
        form = torch.arange(3.0 + model.config.position_width, dtype=torch.float64)[None]
        features, rows, columns = split.split(form, 3)
        assert features.tolist() == [[0, 1, 2]]
        expected = (model.positions.double() @ form[0, 3:]).view(height, width)
        torch.testing.assert_close(rows[0][:, None] + columns[0], expected)
        assert sorted(split.order(3).tolist()) == list(range(3 + model.config.position_width))


@pytest.mark.parametrize("form", ["tanh", "erf"])
def test_gelu_is_torch_s(form: str) -> None:
    x = torch.linspace(-12, 12, 1001)
    expected = torch.nn.functional.gelu(x, approximate="tanh" if form == "tanh" else "none")
    torch.testing.assert_close(apply_gelu(x.clone(), "tanh" if form == "tanh" else "erf"), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("length", "most", "multiple", "expected"),
    [
        (10, 4, 1, [4, 4, 2]),
        (9, 4, 1, [3, 3, 3]),
        (3, 0, 1, [1, 1, 1]),
        (496, 128, 32, [128, 128, 128, 112]),
        (64, 20, 32, [16, 16, 16, 16]),
        (40, 39, 32, [32, 8]),
        (0, 5, 1, []),
    ],
)
def test_slices_cover_a_length(length: int, most: int, multiple: int, expected: list[int]) -> None:
    slices = list(split_evenly(length, most, multiple))
    assert [part.stop - part.start for part in slices] == expected
    assert [part.start for part in slices] == [sum(expected[:i]) for i in range(len(expected))]
