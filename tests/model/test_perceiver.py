"""The reference network's parts: general read-process-write, exact attention in chunks, and the flow assembly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from flowcli.model import perceiver
from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig
from flowcli.model.features import extract_patches, flow_to_numpy, normalise, stack_frames
from flowcli.model.perceiver import (
    CrossBlock,
    GatedPixels,
    PerceiverDecoder,
    PerceiverEncoder,
    PerceiverFlow,
    attend,
    fourier_positions,
)

GATED = replace(TINY, pixel_network="gated", pixel_width=5, decoder_width=7, query_residual=True)


def randomise(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return module.eval()


def random_tensor(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def count_parameters(config: ModelConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in PerceiverFlow(config).parameters())


# Preprocessing


def test_frames_become_tensors_in_the_unit_range() -> None:
    frame = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    white = np.full_like(frame, 255)
    tensor = normalise(stack_frames([frame, white]))
    assert (tensor.dtype, tensor.shape) == (torch.float32, (2, 3, 2, 4))
    assert tensor[0, 2, 1, 3] == pytest.approx(frame[1, 3, 2] / 255 * 2 - 1)
    assert normalise(torch.tensor([0, 255])).tolist() == [-1, 1]
    assert torch.all(tensor[1] == 1)


def test_flow_becomes_an_array_with_channels_last() -> None:
    flow = random_tensor(2, 2, 3, 4)
    array = flow_to_numpy(flow.to(torch.bfloat16))
    assert (array.dtype, array.shape, array.flags.c_contiguous) == (np.float32, (2, 3, 4, 2), True)
    assert array[1, 2, 3, 0] == flow[1, 0, 2, 3].to(torch.bfloat16)


def test_patches_hold_neighbours_in_the_published_order() -> None:
    frames = random_tensor(2, 1, 3, 4, 5)
    patches = extract_patches(frames[0], frames[1]).view(4, 5, 54)
    for y, x in ((0, 0), (1, 3), (3, 4)):
        for t in range(2):
            for row in range(3):
                for column in range(3):
                    at = (y + row - 1, x + column - 1)
                    inside = 0 <= at[0] < 4 and 0 <= at[1] < 5
                    for colour in range(3):
                        expected = frames[t, 0, colour, at[0], at[1]] if inside else 0.0  # mid-grey outside
                        assert patches[y, x, t * 27 + (row * 3 + column) * 3 + colour] == expected


def test_positions_in_closed_form() -> None:
    height, width, bands = 5, 9, 4
    positions = fourier_positions(height, width, bands).view(height, width, 18)
    assert positions.dtype == torch.float32
    frequency_y, frequency_x = np.linspace(1, height / 2, bands), np.linspace(1, width / 2, bands)
    for row, column in ((0, 0), (2, 4), (1, 7), (4, 8)):
        y, x = -1 + 2 * row / (height - 1), -1 + 2 * column / (width - 1)
        angles = math.pi * np.concatenate((frequency_y * y, frequency_x * x))
        expected = np.concatenate(([y, x], np.sin(angles), np.cos(angles)))
        np.testing.assert_allclose(positions[row, column], expected, atol=1e-5)


def test_nyquist_lowers_the_highest_frequency_only() -> None:
    full, half = fourier_positions(8, 8, 3), fourier_positions(8, 8, 3, nyquist=0.5)
    assert torch.equal(full[:, :3], half[:, :3])  # y, x and the sine of frequency 1
    assert not torch.equal(full[:, 4], half[:, 4])
    y = full[:, 0]
    torch.testing.assert_close(half[:, 4], torch.sin(math.pi * 0.5 * 8 / 2 * y), atol=1e-5, rtol=0)


def test_gated_pixels_whiten_first_and_bound_last() -> None:
    pixels = randomise(GatedPixels(features=6, products=5))
    assert isinstance(pixels, GatedPixels)
    patches = random_tensor(2, 7, 54)
    with torch.no_grad():
        found = pixels(patches)
        white = (patches - pixels.whitening_mean) @ pixels.whitening_matrix
        raw = pixels.mix(pixels.left(white) * pixels.right(white)) + pixels.skip(white)
        torch.testing.assert_close(found, raw / (1 + raw.square().mean(-1, keepdim=True)).sqrt())
        assert pixels(1000 * patches).square().mean(-1).max() <= 1 + 1e-5
    fresh = GatedPixels(features=6, products=5)
    assert torch.equal(fresh.whitening_matrix, torch.eye(54))
    assert torch.equal(fresh.whitening_mean, torch.zeros(54))


# Attention


def attend_by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores.softmax(-1) @ value


def test_attention_is_the_textbooks() -> None:
    query, key, value = random_tensor(2, 3, 5, 4), random_tensor(2, 3, 7, 4, seed=2), random_tensor(2, 3, 7, 6, seed=3)
    torch.testing.assert_close(attend(query, key, value), attend_by_hand(query, key, value))


@pytest.mark.parametrize("limit", [1, 42, 2 * 3 * 7 * 4, 2 * 3 * 7 * 4 + 5])
def test_chunks_of_queries_give_the_same(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    query, key, value = (random_tensor(2, 3, rows, 4, seed=rows) for rows in (11, 7, 7))
    whole = attend(query, key, value)
    sizes = []
    real = perceiver.F.scaled_dot_product_attention

    def record(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        sizes.append(query.shape[2])
        return real(query, key, value)

    monkeypatch.setattr(perceiver.F, "scaled_dot_product_attention", record)
    monkeypatch.setattr(perceiver, "MAX_SCORES", limit)
    torch.testing.assert_close(attend(query, key, value), whole)
    assert sum(sizes) == 11
    assert len(sizes) > 1
    assert max(sizes) == max(1, limit // (2 * 3 * 7))


def test_blocks_in_closed_form() -> None:
    """Pre-norm residual blocks, with and without the query in the sum, and the width inside free."""
    query, inputs = random_tensor(2, 3, 8), random_tensor(2, 5, 6, seed=2)
    for residual in (False, True):
        block = randomise(CrossBlock(8, 6, inner_width=10, residual=residual, gelu="erf"))
        assert isinstance(block, CrossBlock)
        with torch.no_grad():
            a = block.attention
            normed_query, normed_inputs = block.query_norm(query), block.input_norm(inputs)
            read = attend_by_hand(a.query(normed_query), a.key(normed_inputs), a.value(normed_inputs))
            x = a.output(read) + (query if residual else 0)
            hidden = block.mlp.expand(block.mlp_norm(x))
            expected = x + block.mlp.contract(hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))
            torch.testing.assert_close(block(query, inputs), expected)


# The general core


def test_inputs_of_any_number_and_width() -> None:
    encoder = randomise(PerceiverEncoder(input_width=5, latents=6, width=8, layers=2, heads=2, gelu="tanh"))
    for count in (1, 3, 50):
        assert encoder(random_tensor(2, count, 5)).shape == (2, 6, 8)
    inputs = random_tensor(1, 9, 5)
    shuffled = inputs[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(encoder(inputs), encoder(shuffled))  # inputs are a set: order lives in positions


def test_queries_may_be_learned_positional_or_made_of_the_input() -> None:
    encoder = randomise(PerceiverEncoder(input_width=5, latents=6, width=8, layers=1, heads=2, gelu="tanh"))
    inputs = random_tensor(2, 9, 5)
    latents = encoder(inputs)
    learned = torch.nn.Parameter(random_tensor(4, 7))  # four answers, whatever the input: a classifier's query
    kinds = {
        "learned": learned.expand(2, -1, -1),
        "positional": fourier_positions(3, 4, bands=2).expand(2, -1, -1),
        "input": inputs,
    }
    for queries in kinds.values():
        decoder = PerceiverDecoder(queries.shape[-1], 8, inner_width=8, outputs=3, residual=True, gelu="tanh")
        outputs = randomise(decoder)(queries, latents)
        assert outputs.shape == (2, queries.shape[1], 3)
        assert not torch.equal(outputs[0], outputs[1])
        # Every output depends on its own query alone.
        torch.testing.assert_close(decoder(queries[:, 1:3], latents), outputs[:, 1:3])
    decoder = randomise(PerceiverDecoder(7, 8, inner_width=8, outputs=3, residual=True, gelu="tanh"))
    decoder(kinds["learned"], latents.detach()).sum().backward()
    assert learned.grad is not None
    assert learned.grad.abs().sum() > 0


# The flow assembly


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    assert count_parameters(PERCEIVER_IO) == 41_057_134


def test_the_compact_network_fits_its_file() -> None:
    assert count_parameters(COMPACT) * 2 < 16 * 2**20  # half precision, 16 MiB at most


@pytest.mark.parametrize("config", [TINY, GATED], ids=["linear", "gated"])
def test_flow_of_a_batch_of_tiles(config: ModelConfig) -> None:
    model = randomise(PerceiverFlow(config))
    frames = random_tensor(2, 3, 3, *config.tile).clamp(-1, 1)
    with torch.no_grad():
        flow = model(*frames)
        assert (flow.dtype, flow.shape) == (torch.float32, (3, 2, *config.tile))
        torch.testing.assert_close(model(frames[0][1:2], frames[1][1:2]), flow[1:2])  # tiles do not see each other
        assert (model(frames[1], frames[0]) - flow).abs().max() > 1e-3


def test_write_decodes_any_subset_of_the_pixels() -> None:
    model = randomise(PerceiverFlow(TINY))
    assert isinstance(model, PerceiverFlow)
    frames = random_tensor(2, 2, 3, *TINY.tile)
    height, width = TINY.tile
    with torch.no_grad():
        flow = model(*frames)
        pixels, latents = model.read(frames[0], frames[1])
        assert pixels.shape == (2, height * width, TINY.pixel_channels)
        assert latents.shape == (2, TINY.latents, TINY.latent_width)
        chosen = [0, width + 3, height * width - 1]
        found = model.write(pixels[:, chosen], latents)  # (2, 3, 2)
        expected = flow.flatten(2)[:, :, chosen].transpose(1, 2)
        torch.testing.assert_close(found, expected)


def test_a_fresh_network_answers_zero_and_can_learn() -> None:
    torch.manual_seed(0)
    model = PerceiverFlow(GATED)
    flow = model(*random_tensor(2, 1, 3, *GATED.tile))
    assert torch.equal(flow, torch.zeros_like(flow))
    flow.sum().backward()
    assert model.decoder.output.bias.grad is not None
    assert torch.all(model.decoder.output.bias.grad != 0)


def test_the_flow_scale_is_in_pixels_per_unit() -> None:
    frames = random_tensor(2, 1, 3, *TINY.tile)
    single, double = (
        randomise(PerceiverFlow(replace(TINY, flow_scale=scale)))(*frames).detach() for scale in (0.2, 0.4)
    )
    torch.testing.assert_close(2 * single, double)


def test_positions_stay_out_of_the_checkpoint() -> None:
    model = PerceiverFlow(TINY)
    assert "positions" not in model.state_dict()
    assert torch.equal(model.positions, fourier_positions(*TINY.tile, TINY.position_bands))


def test_autocast_spares_the_faint_differences_between_the_frames() -> None:
    torch.manual_seed(0)
    model = PerceiverFlow(replace(COMPACT, tile=(12, 16)))
    frames = torch.rand(1, 3, 12, 16) * 2 - 1, torch.rand(1, 3, 12, 16) * 2 - 1
    pixels, _ = model.read(*frames)
    with torch.autocast("cpu", torch.bfloat16):
        spared, latents = model.read(*frames)
    assert torch.equal(pixels, spared)
    assert not torch.equal(latents.float(), model.read(*frames)[1])


def test_low_precision_stays_close() -> None:
    model = randomise(PerceiverFlow(TINY))
    frames = random_tensor(2, 1, 3, *TINY.tile)
    with torch.no_grad():
        full = model(*frames)
        half = model.to(torch.bfloat16)(*frames.to(torch.bfloat16))
    assert half.dtype == torch.float32
    assert (half - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.parametrize(
    ("shape1", "shape2"),
    [
        ((1, 3, 12, 17), (1, 3, 12, 17)),
        ((1, 1, 12, 16), (1, 1, 12, 16)),
        ((1, 3, 12, 16), (2, 3, 12, 16)),
        ((3, 12, 16), (3, 12, 16)),
    ],
)
def test_frames_of_another_shape_are_refused(shape1: tuple[int, ...], shape2: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected two frames of \('B', 3, 12, 16\), got \("):
        PerceiverFlow(TINY)(torch.zeros(shape1), torch.zeros(shape2))
