"""Our own checkpoints: round trips, storage types, equal bytes, and every guard."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from flowcli.checkpoints import Checkpoint, build_model, load_checkpoint, save_checkpoint
from flowcli.checkpoints import checkpoint as checkpoint_module
from flowcli.checkpoints.checkpoint import build_coarse
from flowcli.errors import OutputError, WeightsError
from flowcli.model.config import COARSE, COMPACT, TINY, ModelConfig
from flowcli.model.networks import make_network
from flowcli.model.perceiver import PerceiverFlow

GATED = replace(TINY, pixel_network="gated", pixel_width=5, query_residual=True, decoder_width=7, residual=True)


def random_model(config: ModelConfig, seed: int = 0) -> PerceiverFlow:
    """A network whose every value is random; the output layer starts at zero otherwise."""
    torch.manual_seed(seed)
    model = PerceiverFlow(config).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.normal_(0, 0.3)
    return model


def random_frames(config: ModelConfig) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    frame1, frame2 = torch.rand(2, 1, 3, *config.tile, generator=generator) * 2 - 1
    return frame1, frame2


@pytest.mark.parametrize("config", [TINY, GATED], ids=["linear", "gated"])
def test_round_trip_gives_the_same_network(tmp_path: Path, config: ModelConfig) -> None:
    model = random_model(config)
    path = tmp_path / "network.safetensors"
    save_checkpoint(path, config, model.state_dict(), {"recipe": "seed 0", "epe": "1.5"})
    checkpoint = load_checkpoint(path)
    assert checkpoint.config == config
    assert checkpoint.metadata == {"recipe": "seed 0", "epe": "1.5"}
    assert checkpoint.path == path
    rebuilt = build_model(checkpoint)
    assert not rebuilt.training
    assert all(parameter.requires_grad for parameter in rebuilt.parameters())
    assert not any(tensor.is_meta for tensor in (*rebuilt.parameters(), *rebuilt.buffers()))
    frames = random_frames(config)
    with torch.inference_mode():
        assert torch.equal(rebuilt(*frames), model(*frames))


def test_positions_are_rebuilt_with_the_configured_frequencies(tmp_path: Path) -> None:
    config = replace(TINY, position_nyquist=0.5)
    model = random_model(config)
    save_checkpoint(tmp_path / "a.safetensors", config, model.state_dict(), {})
    assert torch.equal(build_model(load_checkpoint(tmp_path / "a.safetensors")).positions, model.positions)


@pytest.mark.parametrize("config", [TINY, COARSE])
def test_a_network_that_gets_weights_initialises_none(
    tmp_path: Path, config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = make_network(config).state_dict()
    save_checkpoint(tmp_path / "saved.safetensors", config, tensors, {})
    checkpoint_module.expected_shapes.cache_clear()
    monkeypatch.setattr(torch.Tensor, "uniform_", None)
    build = build_coarse if config.candidates else build_model
    network = build(load_checkpoint(tmp_path / "saved.safetensors"))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name


def test_other_networks_are_initialised_as_ever() -> None:
    checkpoint_module.expected_shapes.cache_clear()
    checkpoint_module.expected_shapes(TINY)
    first, second = (make_network(TINY).state_dict() for _ in range(2))
    varied = [name for name in first if name.endswith("linear.weight")]
    assert varied
    assert not any(torch.equal(first[name], second[name]) for name in varied)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_storage_keeps_the_pixel_network_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    model = random_model(GATED)
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(full, GATED, model.state_dict(), {})
    save_checkpoint(half, GATED, model.state_dict(), {}, dtype=dtype)
    assert half.stat().st_size < 0.8 * full.stat().st_size
    loaded = load_checkpoint(half).tensors
    for name, tensor in model.state_dict().items():
        assert loaded[name].dtype == torch.float32
        stored = tensor if name.startswith("pixels.") else tensor.to(dtype).float()
        assert torch.equal(loaded[name], stored)


def test_the_same_content_has_the_same_digest(tmp_path: Path) -> None:
    tensors = random_model(TINY).state_dict()
    metadata = {f"key {index}": "value" for index in range(9)}
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_checkpoint(first, TINY, tensors, metadata)
    backwards = dict(reversed(tensors.items())), dict(reversed(metadata.items()))
    save_checkpoint(second, TINY, *backwards)
    assert load_checkpoint(first).sha256 == load_checkpoint(second).sha256
    save_checkpoint(second, TINY, random_model(TINY, seed=1).state_dict(), metadata)
    assert load_checkpoint(first).sha256 != load_checkpoint(second).sha256


def test_the_file_is_plain_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = random_model(TINY).state_dict()
    save_checkpoint(tmp_path / "a.safetensors", TINY, tensors, {})
    read = load_file(tmp_path / "a.safetensors")
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_loading_does_not_tie_the_tensors_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, TINY, random_model(TINY).state_dict(), {})
    checkpoint = load_checkpoint(path)
    before = checkpoint.tensors["encoder.latents"].clone()
    with path.open("r+b") as file:  # in place: a mapping of the file would see it
        file.write(b"\0" * path.stat().st_size)
    assert torch.equal(checkpoint.tensors["encoder.latents"], before)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tensors: tensors.pop("encoder.latents"), "tensor encoder.latents is missing"),
        (lambda tensors: tensors.update(stray=torch.zeros(2)), "tensor 'stray' has no place"),
        (
            lambda tensors: tensors.update({"decoder.output.bias": torch.zeros(3)}),
            r"expected tensor decoder.output.bias of shape \(2,\), found \(3,\)",
        ),
        (
            lambda tensors: tensors.update({"decoder.output.bias": torch.tensor([0.0, float("nan")])}),
            "tensor decoder.output.bias holds NaN",
        ),
    ],
)
def test_a_wrong_tensor_is_named_and_nothing_is_written(tmp_path: Path, change, complaint: str) -> None:
    tensors = random_model(TINY).state_dict()
    change(tensors)
    with pytest.raises(WeightsError, match=complaint):
        save_checkpoint(tmp_path / "a.safetensors", TINY, tensors, {})
    assert list(tmp_path.iterdir()) == []


def test_a_value_beyond_half_precision_is_refused(tmp_path: Path) -> None:
    tensors = random_model(TINY).state_dict()
    tensors["encoder.latents"][0, 0] = 1e6
    with pytest.raises(WeightsError, match=r"encoder\.latents holds NaN or infinite"):
        save_checkpoint(tmp_path / "a.safetensors", TINY, tensors, {}, dtype=torch.float16)


def test_arguments_that_cannot_be_stored(tmp_path: Path) -> None:
    tensors = random_model(TINY).state_dict()
    with pytest.raises(ValueError, match=r"got torch\.int8"):
        save_checkpoint(tmp_path / "a.safetensors", TINY, tensors, {}, dtype=torch.int8)
    for key in ("flowcli.config", "flowcli.sha256"):
        with pytest.raises(ValueError, match=f"metadata key '{key}' is written by save_checkpoint itself"):
            save_checkpoint(tmp_path / "a.safetensors", TINY, tensors, {key: "{}"})
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(tmp_path / "absent" / "a.safetensors", TINY, tensors, {})


def write_raw(path: Path, header: dict[str, object], data: bytes = b"") -> None:
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("{", "makes no network"),
        ("[1]", "makes no network"),
        ("[" * 100_000, "makes no network"),
        ("{}", "incomplete network settings"),
        (json.dumps({**asdict(TINY), "colour": 1}), "unknown network setting 'colour'"),
        (json.dumps({**asdict(TINY), "heads": 3}), "divisible by heads"),
        (json.dumps({**asdict(TINY), "tile": 5}), "makes no network"),
        (json.dumps({**asdict(TINY), "layers": 1.5}), "expected whole numbers for layers"),
        (json.dumps({**asdict(TINY), "flow_scale": float("nan")}), "expected a positive flow_scale"),
        (json.dumps({**asdict(TINY), "layers": 10**9}), "1000000000 and 1000000000 layers"),
        (json.dumps({**asdict(TINY), "tile": [10**6, 10**6]}), "got 1000000x1000000 pixels"),
        (json.dumps({**asdict(TINY), "latents": 10**12}), "sizes of at most 1048576"),
    ],
)
def test_a_lying_configuration_is_refused_before_memory_is_taken(tmp_path: Path, config: str, complaint: str) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, TINY, random_model(TINY).state_dict(), {})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["flowcli.config"] = config
    write_raw(path, header, content[8 + length :])
    with pytest.raises(WeightsError, match=complaint):
        load_checkpoint(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, TINY, random_model(TINY).state_dict(), {})
    content = path.read_bytes()
    for size in (9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(WeightsError, match=r"a\.safetensors: .*damaged"):
            load_checkpoint(path)


def test_every_published_shape_is_within_the_caps() -> None:
    for config in (COMPACT, TINY):
        assert checkpoint_module.expected_shapes(config)["encoder.latents"] == (
            config.latents,
            config.latent_width,
        )


def test_checkpoint_is_frozen(tmp_path: Path) -> None:
    checkpoint = Checkpoint(TINY, {}, {}, tmp_path)
    with pytest.raises(AttributeError):
        checkpoint.config = COMPACT  # type: ignore[misc]
