"""The network's configuration: presets, JSON, and every guard."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from flowcli.model.config import COMPACT, PERCEIVER_IO, TINY, ModelConfig


@pytest.mark.parametrize("config", [PERCEIVER_IO, COMPACT, TINY], ids=["perceiver-io", "compact", "tiny"])
def test_json_round_trip(config: ModelConfig) -> None:
    text = json.dumps(config.to_dict())
    assert ModelConfig.from_dict(json.loads(text)) == config
    assert isinstance(ModelConfig.from_dict(json.loads(text)).tile, tuple)


def test_the_published_numbers() -> None:
    assert PERCEIVER_IO.position_width == 258
    assert PERCEIVER_IO.pixel_channels == 322
    assert PERCEIVER_IO.flow_scale == pytest.approx(0.2)
    assert (PERCEIVER_IO.query_residual, PERCEIVER_IO.residual, PERCEIVER_IO.decoder_width) == (False, False, None)


def test_missing_settings_take_the_published_form() -> None:
    """Checkpoints that were written before a setting existed must keep their meaning."""
    required = ("tile", "features", "position_bands", "latents", "latent_width", "layers", "heads", "flow_scale")
    values = {name: value for name, value in PERCEIVER_IO.to_dict().items() if name in required}
    assert ModelConfig.from_dict(values) == PERCEIVER_IO


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        TINY.layers = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", ["features", "position_bands", "latents", "latent_width", "heads"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8", None])
def test_sizes_are_positive_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="expected positive whole numbers"):
        ModelConfig.from_dict({**TINY.to_dict(), name: value})


@pytest.mark.parametrize("tile", [(12,), (12, 16, 3), (0, 16), (12.0, 16), (12, "16"), ()])
def test_tiles_have_two_sides(tile: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected positive whole numbers"):
        replace(TINY, tile=tile)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"layers": -1}, "expected whole numbers for layers"),
        ({"layers": 1.5}, "expected whole numbers for layers"),
        ({"layers": "2"}, "expected whole numbers for layers"),
        ({"pixel_width": 0.0}, "expected whole numbers for layers, pixel_width"),
        ({"decoder_width": 8.0}, "expected whole numbers for layers, pixel_width and decoder_width"),
        ({"query_residual": 1}, "expected true or false for query_residual"),
        ({"residual": "yes"}, "expected true or false for query_residual and residual"),
        ({"flow_scale": 0}, "expected a positive flow_scale, got 0"),
        ({"flow_scale": float("inf")}, "expected a positive flow_scale, got inf"),
        ({"flow_scale": float("nan")}, "expected a positive flow_scale, got nan"),
        ({"flow_scale": "2"}, "expected a positive flow_scale, got '2'"),
        ({"heads": 3}, "expected latent_width divisible by heads, got 16 and 3"),
        ({"decoder_width": 0}, "expected decoder_width >= 1"),
        ({"position_nyquist": 0.0}, r"position_nyquist in \(0, 1\]"),
        ({"position_nyquist": 1.5}, r"position_nyquist in \(0, 1\]"),
        ({"position_nyquist": float("nan")}, r"position_nyquist in \(0, 1\]"),
        ({"gelu": "relu"}, "expected gelu 'tanh' or 'erf', got 'relu'"),
        ({"pixel_network": "conv"}, "expected 'linear', or 'gated' with a pixel_width, got 'conv'"),
        ({"pixel_network": "gated"}, "'gated' with a pixel_width"),
        ({"pixel_width": 4}, "expected 'linear', or"),
        ({"colour": 1}, "unknown network setting 'colour'"),
        ({"tile": 12}, "incomplete network settings"),
    ],
)
def test_what_makes_no_network_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ModelConfig.from_dict({**TINY.to_dict(), **changes})


def test_incomplete_settings() -> None:
    values = TINY.to_dict()
    del values["latents"]
    with pytest.raises(ValueError, match=r"incomplete network settings: .*'latents'"):
        ModelConfig.from_dict(values)


def test_no_layers_is_a_network() -> None:
    assert replace(TINY, layers=0).layers == 0
