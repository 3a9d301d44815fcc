"""Every published layout, written from random tensors, reads back to identical outputs; what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from published_layouts import (
    SMALL,
    haiku_parameters,
    huggingface_tensors,
    jobr0_tensors,
    krasserm_tensors,
    random_model,
    run,
    write_haiku,
)
from safetensors.torch import save_file
from torch import Tensor

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.checkpoints.key_maps import KEY_MAPS, KeyMap
from flowcli.errors import WeightsError
from flowcli.model.config import PERCEIVER_IO
from flowcli.model.perceiver import PerceiverFlow

# Names say nothing: every file is called the same.
FILE = "weights.of-some-kind"
WRITERS: dict[str, Callable[[Path, PerceiverFlow], None]] = {
    "huggingface-safetensors": lambda path, model: save_file(huggingface_tensors(model), path, {"format": "pt"}),
    "huggingface-bin": lambda path, model: torch.save(huggingface_tensors(model), path),
    "jobr0": lambda path, model: torch.save({"model_state_dict": jobr0_tensors(model)}, path),
    "jobr0-older-word": lambda path, model: torch.save({"model_state_dict": jobr0_tensors(model, "default")}, path),
    "krasserm": lambda path, model: torch.save(krasserm_tensors(model), path),
    "krasserm-named-stages": lambda path, model: torch.save(krasserm_tensors(model, "encoder", "decoder"), path),
    "krasserm-safetensors": lambda path, model: save_file(krasserm_tensors(model), path),
}


@pytest.fixture(scope="module")
def model() -> PerceiverFlow:
    return random_model()


def assert_read_back(path: Path, model: PerceiverFlow, layout: str) -> None:
    checkpoint = load_checkpoint(path, published=SMALL)
    assert checkpoint.config == SMALL
    assert layout in checkpoint.metadata["layout"]
    assert checkpoint.tensors.keys() == model.state_dict().keys()
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in checkpoint.tensors.values())
    assert torch.equal(run(build_model(checkpoint)), run(model))


@pytest.mark.parametrize("writer", WRITERS)
def test_torch_layouts(tmp_path: Path, model: PerceiverFlow, writer: str) -> None:
    WRITERS[writer](tmp_path / FILE, model)
    assert_read_back(tmp_path / FILE, model, {"h": "Hugging Face", "j": "JOBR0", "k": "krasserm"}[writer[0]])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_haiku(tmp_path: Path, model: PerceiverFlow, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    write_haiku(tmp_path / FILE, haiku_parameters(model), monkeypatch, protocol)
    assert_read_back(tmp_path / FILE, model, "haiku")


@pytest.mark.parametrize("class_name", ["FlatMap", "frozendict"])
def test_older_haiku_mappings(
    tmp_path: Path, model: PerceiverFlow, monkeypatch: pytest.MonkeyPatch, class_name: str
) -> None:
    write_haiku(tmp_path / FILE, haiku_parameters(model), monkeypatch, class_name=class_name)
    assert_read_back(tmp_path / FILE, model, "haiku")


def test_haiku_of_either_numpy(tmp_path: Path, model: PerceiverFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published file was written by a numpy that had `numpy.core`; protocol 3 spells it in plain lines."""
    write_haiku(tmp_path / FILE, haiku_parameters(model), monkeypatch, protocol=3)
    content = (tmp_path / FILE).read_bytes()
    here = b"cnumpy._core.multiarray\n" if b"cnumpy._core.multiarray\n" in content else b"cnumpy.core.multiarray\n"
    for module in (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"):
        (tmp_path / FILE).write_bytes(content.replace(here, module))
        assert_read_back(tmp_path / FILE, model, "haiku")


def test_haiku_in_column_order(tmp_path: Path, model: PerceiverFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {
        module: {name: np.asfortranarray(array) for name, array in arrays.items()}
        for module, arrays in haiku_parameters(model).items()
    }
    for protocol in (4, 5):
        write_haiku(tmp_path / FILE, parameters, monkeypatch, protocol)
        assert_read_back(tmp_path / FILE, model, "haiku")


def test_a_state_dict_with_its_attributes(tmp_path: Path, model: PerceiverFlow) -> None:
    """`state_dict()` is an OrderedDict with a `_metadata` attribute, and parameters pickle otherwise than tensors."""
    tensors = torch.nn.Module().state_dict()
    tensors.update({name: torch.nn.Parameter(tensor) for name, tensor in huggingface_tensors(model).items()})
    assert hasattr(tensors, "_metadata")
    torch.save(tensors, tmp_path / FILE)
    assert_read_back(tmp_path / FILE, model, "Hugging Face")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_formats(tmp_path: Path, model: PerceiverFlow, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in huggingface_tensors(model).items()}
    torch.save(tensors, tmp_path / "zip")
    save_file(tensors, tmp_path / "safetensors")
    for file in ("zip", "safetensors"):
        latents = load_checkpoint(tmp_path / file, published=SMALL).tensors["encoder.latents"]
        assert torch.equal(latents, model.encoder.latents.to(dtype).float())


def test_the_gelu_form_is_the_callers(tmp_path: Path, model: PerceiverFlow) -> None:
    torch.save(huggingface_tensors(model), tmp_path / FILE)
    as_trained = build_model(load_checkpoint(tmp_path / FILE, published=SMALL))
    as_ported = build_model(load_checkpoint(tmp_path / FILE, published=replace(SMALL, gelu="erf")))
    difference = (run(as_trained) - run(as_ported)).abs().max()
    assert 0 < difference < 0.05 * run(as_trained).abs().max()
    assert PERCEIVER_IO.gelu == "tanh"


def test_the_tables_agree_with_the_counts_of_the_published_files() -> None:
    for key_map in KEY_MAPS.values():
        names = key_map.names(PERCEIVER_IO.layers)
        assert len(names) == len(set(names.values())) == 425
    haiku = KEY_MAPS["haiku"].names(24)
    assert haiku["encoder.layers.0.norm.weight"] == "perceiver_encoder/~/self_attention/layer_norm/scale"
    assert haiku["encoder.layers.23.mlp_norm.bias"] == "perceiver_encoder/~/self_attention_23/layer_norm_1/offset"


def test_another_size_of_network_is_refused_by_default(tmp_path: Path, model: PerceiverFlow) -> None:
    torch.save(huggingface_tensors(model), tmp_path / FILE)
    with pytest.raises(WeightsError, match=r"self_attends\.12\..* is missing; a network of 24 layers"):
        load_checkpoint(tmp_path / FILE)


def drop(tensors: dict[str, Tensor]) -> None:
    tensors.pop("perceiver.encoder.self_attends.7.mlp.dense1.bias")


def add(tensors: dict[str, Tensor]) -> None:
    tensors["perceiver.encoder.self_attends.12.mlp.dense1.bias"] = torch.zeros(16)


def misshape(tensors: dict[str, Tensor]) -> None:
    tensors["perceiver.embeddings.latents"] = torch.zeros(5, 16)


def turn(tensors: dict[str, Tensor]) -> None:
    name = "perceiver.input_preprocessor.conv_after_patches.weight"
    tensors[name] = tensors[name].T.contiguous()


def poison(tensors: dict[str, Tensor]) -> None:
    tensors["perceiver.embeddings.latents"][0, 0] = float("nan")


def whole_numbers(tensors: dict[str, Tensor]) -> None:
    tensors["perceiver.embeddings.latents"] = torch.zeros(6, 16, dtype=torch.int32)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop, r"tensor perceiver\.encoder\.self_attends\.7\.mlp\.dense1\.bias is missing"),
        (
            add,
            r"tensor 'perceiver\.encoder\.self_attends\.12\.mlp\.dense1\.bias' has no place in a network of 12 layers",
        ),
        (misshape, r"expected tensor encoder\.latents of shape \(6, 16\), found \(5, 16\)"),
        (turn, r"expected tensor pixels\.linear\.weight of shape \(64, 54\), found \(54, 64\)"),
        (poison, r"tensor encoder\.latents holds NaN"),
        (whole_numbers, r"expected tensor encoder\.latents of floating-point numbers, found torch\.int32"),
    ],
)
def test_a_wrong_tensor_is_named(
    tmp_path: Path, model: PerceiverFlow, change: Callable[[dict[str, Tensor]], None], complaint: str
) -> None:
    tensors = huggingface_tensors(model)
    change(tensors)
    save_file(tensors, tmp_path / FILE)
    with pytest.raises(WeightsError, match=complaint):
        load_checkpoint(tmp_path / FILE, published=SMALL)


def test_two_spellings_of_one_tensor(tmp_path: Path, model: PerceiverFlow) -> None:
    torch.save({**jobr0_tensors(model), **jobr0_tensors(model, "other")}, tmp_path / FILE)
    with pytest.raises(WeightsError, match=r"tensors .*__default.* and .*other.* claim the same place"):
        load_checkpoint(tmp_path / FILE, published=SMALL)


def test_a_file_of_another_network(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / FILE)
    with pytest.raises(WeightsError, match=r"not those of a Perceiver IO flow network, such as 'fc\.weight'"):
        load_checkpoint(tmp_path / FILE)
    torch.save({}, tmp_path / FILE)
    with pytest.raises(WeightsError, match="holds none at all"):
        load_checkpoint(tmp_path / FILE)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"<!DOCTYPE html><html>", b"version https://git-lfs.github.com/spec/v1\n", b"\0" * 64]
)
def test_no_checkpoint_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(
        WeightsError, match=r"of-some-kind: expected a checkpoint \(safetensors, torch\.save or pickle\)"
    ):
        load_checkpoint(tmp_path / FILE)


def test_a_file_of_old_torch_says_what_to_do(tmp_path: Path, model: PerceiverFlow) -> None:
    torch.save(huggingface_tensors(model), tmp_path / FILE, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"PyTorch 1\.6 or later, found an older one; load it with torch\.load"):
        load_checkpoint(tmp_path / FILE, published=SMALL)


def test_a_new_layout_is_one_row(tmp_path: Path, model: PerceiverFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: name.replace("{i}", "no{i}") for name in KEY_MAPS["krasserm"].stages}
    parts = {
        part: {name: f"my_{name}" for name in getattr(KEY_MAPS["krasserm"], part)}
        for part in ("cross_norms", "layer_norms", "linears", "ends")
    }
    monkeypatch.setitem(KEY_MAPS, "mine", KeyMap(title="my own code", stages=own, latents="my_latents", **parts))
    tensors = model.state_dict()
    names = KEY_MAPS["mine"].names(SMALL.layers)
    torch.save({foreign: tensors[canonical] for canonical, foreign in names.items()}, tmp_path / FILE)
    assert_read_back(tmp_path / FILE, model, "my own code")
