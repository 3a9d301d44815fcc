"""Checkpoints as training programs leave them: under a key, with words before the names, in several files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from published_layouts import SMALL, huggingface_tensors, jobr0_tensors, krasserm_tensors, random_model, run
from safetensors.torch import save_file
from torch import Tensor

from flowcli.checkpoints import build_model, load_checkpoint
from flowcli.errors import WeightsError
from flowcli.model.perceiver import PerceiverFlow

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def model() -> PerceiverFlow:
    return random_model()


def assert_read_back(path: Path, model: PerceiverFlow) -> None:
    assert torch.equal(run(build_model(load_checkpoint(path, published=SMALL))), run(model))


def prefixed(word: str, tensors: Tensors) -> Tensors:
    return {word + name: tensor for name, tensor in tensors.items()}


WRAPPERS: dict[str, Callable[[Tensors], object]] = {
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3, "global_step": 100, "version": "2.5"},
    "model": lambda tensors: {"model": tensors, "step": torch.tensor(7), "done": torch.tensor([True])},
    "nested": lambda tensors: {"model": {"state_dict": tensors}},
    "DataParallel": lambda tensors: prefixed("module.", tensors),
    "torch.compile": lambda tensors: prefixed("_orig_mod.", tensors),
    "all of it": lambda tensors: {"state_dict": prefixed("model.module._orig_mod.", tensors), "loss": 0.5},
    "with its optimiser": lambda tensors: {
        "model_state_dict": tensors,
        "optimizer": torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))]).state_dict(),
    },
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("layout", [huggingface_tensors, jobr0_tensors, krasserm_tensors])
def test_wrapped(
    tmp_path: Path, model: PerceiverFlow, wrapper: str, layout: Callable[[PerceiverFlow], Tensors]
) -> None:
    torch.save(WRAPPERS[wrapper](layout(model)), tmp_path / "a.ckpt")
    assert_read_back(tmp_path / "a.ckpt", model)


def test_real_wrappers(tmp_path: Path, model: PerceiverFlow) -> None:
    """What DataParallel really calls things, around what `torch.compile` makes of a module with foreign names."""
    holder = torch.nn.Module()
    for name, tensor in huggingface_tensors(model).items():
        *parents, leaf = name.split(".")
        place = holder
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, torch.nn.Module())
            place = place.get_submodule(parent)
        place.register_parameter(leaf, torch.nn.Parameter(tensor))
    compiled = torch.nn.Module()  # OptimizedModule, as far as names go; compiling takes seconds
    compiled.add_module("_orig_mod", holder)
    wrapped = torch.nn.DataParallel(compiled)
    torch.save(wrapped.state_dict(), tmp_path / "a.pt")
    assert all(name.startswith("module._orig_mod.") for name in wrapped.state_dict())
    assert_read_back(tmp_path / "a.pt", model)


def test_two_names_that_become_one(tmp_path: Path, model: PerceiverFlow) -> None:
    tensors = huggingface_tensors(model)
    name = next(iter(tensors))
    torch.save({**tensors, f"_orig_mod.{name}": tensors[name]}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="two tensors claim the same place"):
        load_checkpoint(tmp_path / "a.pt", published=SMALL)


def write_shards(folder: Path, tensors: Tensors, kind: str, word: str = "") -> Path:
    """Three files and their index, as transformers' `save_pretrained(max_shard_size=...)` names them."""
    stem, suffix, write = {
        "safetensors": ("model", ".safetensors", save_file),
        "bin": ("pytorch_model", ".bin", torch.save),
    }[kind]
    weight_map = {}
    for k in range(3):
        part = {word + name: tensors[name] for name in list(tensors)[k::3]}
        file = f"{stem}-{k + 1:05d}-of-00003{suffix}"
        write(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = folder / f"{stem}{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_shards_by_index_folder_or_one_of_them(tmp_path: Path, model: PerceiverFlow, kind: str) -> None:
    index = write_shards(tmp_path, huggingface_tensors(model), kind, word="module.")
    for path in (index, tmp_path, next(tmp_path.glob("*-00002-of-*"))):
        assert_read_back(path, model)
    before = load_checkpoint(index, published=SMALL).sha256
    write_shards(tmp_path, huggingface_tensors(random_model(seed=1)), kind)
    assert load_checkpoint(index, published=SMALL).sha256 != before


def test_a_folder_with_one_file(tmp_path: Path, model: PerceiverFlow) -> None:
    save_file(huggingface_tensors(model), tmp_path / "model.safetensors")
    assert_read_back(tmp_path, model)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(WeightsError, match="or a checkpoint file; found neither"):
        load_checkpoint(tmp_path / "nothing", published=SMALL)


def test_a_missing_shard_is_named(tmp_path: Path, model: PerceiverFlow) -> None:
    index = write_shards(tmp_path, huggingface_tensors(model), "safetensors")
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model-00002-of-00003\.safetensors: no such file"):
        load_checkpoint(index, published=SMALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"weight_map": {"a": "../outside.safetensors"}}', "not to be trusted"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "not to be trusted"),
        ('{"weight_map": {"a": "model.safetensors.index.json"}}', "no such file"),
        ('{"weight_map": {"a": 3}}', "a damaged one"),
        ('{"weight_map": []}', "a damaged one"),
        ("[1, 2]", "a damaged one"),
        ("[" * 100_000, "a damaged one"),
        (b"\xff\xfe", "a damaged one"),
        ('{"weight_map": ' + " " * 2**22, "more than 4 MiB"),
    ],
)
def test_an_index_is_not_believed(tmp_path: Path, content: str | bytes, message: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(index, published=SMALL)


def test_a_tensor_that_is_not_where_the_index_says(tmp_path: Path, model: PerceiverFlow) -> None:
    index = write_shards(tmp_path, huggingface_tensors(model), "safetensors")
    index.write_text(index.read_text().replace("00001-of", "00002-of"))
    with pytest.raises(WeightsError, match=r"expected the tensor .* by model"):
        load_checkpoint(index, published=SMALL)
