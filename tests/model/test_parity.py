"""The reference network computes what transformers' PerceiverForOpticalFlow computes, from the weights that it wrote.

The library fixes 64 features, 64 bands and one cross-attention head; tile, latents, width, layers and heads are free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.model.config import PERCEIVER_IO, ModelConfig
from flowcli.model.features import extract_patches, normalise
from flowcli.model.perceiver import fourier_positions

# A tile of odd sides, more layers than one, a width that the features do not share.
REDUCED = replace(PERCEIVER_IO, tile=(13, 18), latents=24, latent_width=32, layers=3, heads=4)

# HF's name of the activation -> ours.
GELU = {"gelu": "erf", "gelu_pytorch_tanh": "tanh"}


@pytest.fixture(scope="module")
def library() -> ModuleType:
    from transformers.models.perceiver import modeling_perceiver

    return modeling_perceiver


def make_theirs(library: ModuleType, config: ModelConfig, activation: str = "gelu", seed: int = 0) -> nn.Module:
    """Their network with every value random: biases and the output layer are zero in a fresh one."""
    theirs = library.PerceiverForOpticalFlow(
        library.PerceiverConfig(
            num_latents=config.latents,
            d_latents=config.latent_width,
            d_model=322,
            num_self_attends_per_block=config.layers,
            num_self_attention_heads=config.heads,
            num_cross_attention_heads=1,
            train_size=list(config.tile),
            hidden_act=activation,
        )
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in theirs.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("weight") and tensor.ndim == 1:  # LayerNorm
                tensor.copy_(1 + 0.3 * noise)
            elif name.endswith("weight"):  # keeps the size of its input, about
                # Cross-attention that chooses: averages over all pixels or latents would be nearly constant.
                chooses = name.endswith(("query.weight", "key.weight")) and "cross_attention" in name
                tensor.copy_((3 if chooses else 1) * noise / tensor.shape[1] ** 0.5)
            else:
                tensor.copy_(0.3 * noise)
    return theirs


def make_frames(config: ModelConfig, batch: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Frames of whole numbers 0..255, normalised."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (2, batch, 3, *config.tile), generator=generator, dtype=torch.uint8)
    frame1, frame2 = normalise(frames)
    return frame1, frame2


def their_input(frame1: Tensor, frame2: Tensor) -> Tensor:
    """What their documentation asks for, `(B, 2, 27, H, W)`: spelled out neighbour by neighbour."""
    height, width = frame1.shape[-2:]
    frames = []
    for frame in (frame1, frame2):
        padded = F.pad(frame, (1, 1, 1, 1))
        shifted = [padded[..., row : row + height, column : column + width] for row in range(3) for column in range(3)]
        frames.append(torch.cat(shifted, dim=1))
    return torch.stack(frames, dim=1)


def compare(
    theirs: nn.Module, path: Path, config: ModelConfig, batch: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Flow in pixels of both networks, `(B, 2, H, W)`."""
    frames = [frame.to(dtype) for frame in make_frames(config, batch)]
    theirs, ours = theirs.to(dtype), build_model(load_checkpoint(path, published=config)).to(dtype)
    with torch.inference_mode():
        expected = theirs(inputs=their_input(*frames)).logits.permute(0, 3, 1, 2) * 20  # the published factor
        return ours(*frames), expected


def measure_spread(flow: Tensor) -> float:
    """The lesser of both channels' standard deviations over the pixels of a tile, in pixels of flow."""
    return flow.std(dim=(2, 3)).min().item()


def assert_parity(found: Tensor, expected: Tensor) -> None:
    assert measure_spread(expected) > 0.01
    assert (found - expected).abs().max().item() <= 1e-4 * measure_spread(expected)


@pytest.mark.parametrize("activation", GELU)
def test_flow_agrees(library: ModuleType, tmp_path: Path, activation: str) -> None:
    theirs = make_theirs(library, REDUCED, activation)
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    config = replace(REDUCED, gelu=GELU[activation])  # type: ignore[arg-type]
    assert_parity(*compare(theirs, tmp_path / "model.safetensors", config, batch=2))


def test_what_differs_is_rounding(library: ModuleType, tmp_path: Path) -> None:
    theirs = make_theirs(library, REDUCED)
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    config = replace(REDUCED, gelu="erf")
    found, expected = compare(theirs, tmp_path / "model.safetensors", config, batch=1, dtype=torch.float64)
    assert (found - expected).abs().max().item() <= 2e-6 * measure_spread(expected)  # our result is float32


def test_the_other_gelu_is_told_apart(library: ModuleType, tmp_path: Path) -> None:
    """If the two forms were the same to this test, it could not see a mistake of that size."""
    theirs = make_theirs(library, REDUCED, "gelu")
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    found, expected = compare(theirs, tmp_path / "pytorch_model.bin", replace(REDUCED, gelu="tanh"), batch=1)
    difference = (found - expected).abs().max() / measure_spread(expected)
    assert 1e-4 < difference < 1e-1


def test_every_part_of_the_weights_matters(library: ModuleType, tmp_path: Path) -> None:
    """A tensor that is read into the wrong place, or not at all, would show: each one moves the flow."""
    config = replace(REDUCED, gelu="erf", layers=1)
    theirs = make_theirs(library, config)
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    ours = build_model(load_checkpoint(tmp_path / "model.safetensors", published=config))
    frames = make_frames(config, batch=1)
    with torch.inference_mode():
        before = ours(*frames)
        for name, tensor in ours.state_dict().items():
            if name.endswith("key.bias"):
                continue  # adds the same to every score of a query: softmax cancels it
            kept = tensor.clone()
            tensor.mul_(-1)
            assert (ours(*frames) - before).abs().max() > 1e-3 * measure_spread(before), name
            tensor.copy_(kept)


@pytest.mark.parametrize("size", [(13, 18), (368, 3), (3, 496)])  # every frequency of the published tile
def test_positions_agree(library: ModuleType, size: tuple[int, int]) -> None:
    positions = library.build_linear_positions(size).flatten(0, 1)[None]
    expected = library.generate_fourier_features(positions, 64, size, concat_pos=True, sine_only=False)[0]
    found = fourier_positions(*size, bands=64)
    assert found.shape == (size[0] * size[1], 258)
    # Arguments reach 248 pi, where one float32 step is 6e-5: close means the same order of multiplications.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_patches_agree(library: ModuleType) -> None:
    frames = make_frames(REDUCED, batch=2)
    expected = library.space_to_depth(their_input(*frames), temporal_block_size=2, spatial_block_size=1)
    assert torch.equal(extract_patches(*frames), expected.flatten(1, 3))


def test_tokens_agree(library: ModuleType, tmp_path: Path) -> None:
    """Pixels as the encoder sees them: linear map of the patches, then positions."""
    theirs = make_theirs(library, REDUCED)
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    ours = build_model(load_checkpoint(tmp_path / "model.safetensors", published=REDUCED))
    frames = make_frames(REDUCED, batch=2)
    preprocess: Callable[..., tuple[Tensor, ...]] = theirs.get_submodule("perceiver.input_preprocessor")
    with torch.inference_mode():
        found, _ = ours.read(*frames)
        expected = preprocess(their_input(*frames))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_published_size_agrees(library: ModuleType, tmp_path: Path) -> None:
    """All 41 million parameters and 182 528 pixels: one CPU minute and 5 GiB."""
    theirs = make_theirs(library, PERCEIVER_IO)
    theirs.save_pretrained(tmp_path)  # type: ignore[operator]
    found, expected = compare(theirs, tmp_path / "model.safetensors", replace(PERCEIVER_IO, gelu="erf"), batch=1)
    print(f"spread {measure_spread(expected):.4f} px, greatest difference {(found - expected).abs().max():.2e} px")
    assert_parity(found, expected)
