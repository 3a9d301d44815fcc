"""Checkpoints from strangers: nothing of theirs runs, no lie takes memory, any damage is one clear error."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from published_layouts import SMALL, haiku_parameters, huggingface_tensors, random_model, write_haiku
from safetensors.torch import save_file

from flowcli.checkpoints import load_checkpoint
from flowcli.errors import WeightsError
from flowcli.model.config import ModelConfig

MINI = ModelConfig(tile=(4, 4), features=4, position_bands=2, latents=2, latent_width=4, layers=1, heads=1)


class Touch:
    """Creates a file when unpickled by anything that trusts pickles."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def refuse(path: Path, complaint: str) -> None:
    with pytest.raises(WeightsError, match=complaint) as caught:
        load_checkpoint(path, published=SMALL)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_haiku_pickle_that_runs_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pystate"
    parameters: dict[str, object] = dict(haiku_parameters(random_model(MINI)))
    parameters["flow_decoder/~/basic_decoder/output"] = Touch(marker)
    write_haiku(path, parameters, monkeypatch, protocol)
    refuse(path, r"wants to run '(posix|nt)\.mkdir', which no known checkpoint needs; refused, nothing was run")
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the attack is real
    assert marker.is_dir()


def test_a_torch_file_that_runs_a_command(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    torch.save({"model_state_dict": {**huggingface_tensors(random_model(MINI)), "x": Touch(marker)}}, path)
    refuse(path, r"wants to run '(posix|nt)\.mkdir', .* nothing was run")
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.is_dir()


@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("torch.serialization", "load"), ("numpy", "load"), ("haiku._src.data_structures", "os")],
)
def test_no_other_name_is_admitted(tmp_path: Path, module: str, name: str) -> None:
    path = tmp_path / "evil.pystate"
    path.write_bytes(b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(tR.")
    refuse(path, f"wants to run '{module}.{name}'")


def test_what_is_admitted_cannot_be_changed_from_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BUILD sets attributes on whatever is on the stack; a later file must not see them."""
    path = tmp_path / "evil.pystate"
    for names in (b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"chaiku._src.data_structures\nFlatMapping\n"):
        for state in (b"N}X\x04\x00\x00\x00codeK\x01s\x86b.", b"}X\x04\x00\x00\x00codeK\x01sb."):
            path.write_bytes(b"\x80\x02" + names + state)
            refuse(path, "damaged|expected a mapping")
    write_haiku(path, haiku_parameters(random_model()), monkeypatch)
    assert load_checkpoint(path, published=SMALL).config == SMALL


HOSTILE_PICKLES = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "bytes beyond the end": b"\x80\x04\x8e" + struct.pack("<Q", 2**36) + b"abc.",
    "text beyond the end": b"\x80\x04\x8d" + struct.pack("<Q", 2**36) + b"abc.",
    "frame beyond the end": b"\x80\x04\x95" + struct.pack("<Q", 2**36) + b"N.",
    "no end": b"\x80\x04N",
    "empty stack": b"\x80\x040.",
    "unknown opcode": b"\x80\x04\xff.",
    "unknown extension": b"\x80\x02\x82\x05.",
    "persistent id": b"\x80\x02Npersist\nQ.",
    "not a mapping": b"\x80\x02K\x05.",
    "keys that are no names": b"\x80\x02}K\x01}s.",
    "values that are no mappings": b"\x80\x02}X\x01\x00\x00\x00aK\x01s.",
    "no arrays inside": b"\x80\x02}X\x01\x00\x00\x00a}X\x01\x00\x00\x00bK\x01ss.",
    "a class that is called": b"\x80\x02cnumpy\nndarray\n)R.",
    "deep nesting": b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b".",
}


@pytest.mark.parametrize("attack", HOSTILE_PICKLES)
def test_nonsense_pickles(tmp_path: Path, attack: str) -> None:
    (tmp_path / "a.pystate").write_bytes(HOSTILE_PICKLES[attack])
    refuse(tmp_path / "a.pystate", "expected ")


class Odd:
    """An array whose pickle lies: numpy's names with the given state."""

    def __init__(self, *state: object) -> None:
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        reconstruct = np.zeros(1).__reduce__()[0]
        assert callable(reconstruct)
        return reconstruct, (np.ndarray, (0,), b"b"), self.state


FLOAT = np.dtype("<f4")


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (Odd(1, (2**40,), FLOAT, False, b"1234"), r"expected 4398046511104 bytes for shape"),
        (Odd(1, (-1,), FLOAT, False, b""), "expected whole numbers as shape"),
        (Odd(1, ("a",), FLOAT, False, b""), "expected whole numbers as shape"),
        (Odd(1, 5, FLOAT, False, b""), "expected whole numbers as shape"),
        (Odd(1, (1,), None, False, b"1234"), "expected an array of numbers"),
        (Odd(1, (1,), FLOAT, False, [1.0]), "expected an array of numbers"),
        (np.zeros(1, ">f4"), "expected little-endian floating-point arrays"),
        (np.zeros(1, "i4"), "expected little-endian floating-point arrays"),
        (np.array(["a"]), "expected little-endian floating-point arrays"),
        (np.array([None]), "expected an array of numbers"),
        (Odd(1), "damaged"),
    ],
)
def test_arrays_that_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, array: object, complaint: str) -> None:
    write_haiku(tmp_path / "a.pystate", {"image_preprocessor/patches_linear": {"w": array}}, monkeypatch)
    refuse(tmp_path / "a.pystate", complaint)


def test_arrays_that_share_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand copies of a megabyte that is in the file once."""
    content = bytes(2**20)
    arrays = {f"module {index}": {"w": Odd(1, (2**18,), FLOAT, False, content)} for index in range(1000)}
    write_haiku(tmp_path / "a.pystate", arrays, monkeypatch)
    assert (tmp_path / "a.pystate").stat().st_size < 2**21
    refuse(tmp_path / "a.pystate", "claim more bytes than the file has")


def rewrite_zip(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in entries.items():
            new.writestr(name, content)


def replace_pickle(old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        name = next(name for name in entries if name.endswith("data.pkl"))
        assert old in entries[name]
        entries[name] = entries[name].replace(old, new)

    return change


def shrink_storage(entries: dict[str, bytes]) -> None:
    name = next(name for name in entries if name.endswith("data/0"))
    entries[name] = entries[name][:-5]


def remove_storage(entries: dict[str, bytes]) -> None:
    del entries[next(name for name in entries if name.endswith("data/0"))]


def remove_pickle(entries: dict[str, bytes]) -> None:
    del entries[next(name for name in entries if name.endswith("data.pkl"))]


def reverse_bytes(entries: dict[str, bytes]) -> None:
    entries[next(name for name in entries if name.endswith("byteorder"))] = b"big"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (shrink_storage, "no whole number of values|reaches beyond its storage"),
        (remove_storage, "damaged one .*data/0"),
        (remove_pickle, "it has no data.pkl"),
        (reverse_bytes, "not little-endian"),
        (replace_pickle(b"FloatStorage", b"DoubleStorag"), "wants to run 'torch.DoubleStorag'"),
        (replace_pickle(b"FloatStorage", b"HalfStorage "), "wants to run 'torch.HalfStorage '"),
        (replace_pickle(b"storage", b"stOrage"), "expected a reference to a storage"),
    ],
)
def test_torch_files_that_lie(tmp_path: Path, change: Callable[[dict[str, bytes]], None], complaint: str) -> None:
    path = tmp_path / "a.pth"
    torch.save(huggingface_tensors(random_model(MINI)), path)
    rewrite_zip(path, change)
    refuse(path, complaint)


@pytest.mark.parametrize(
    ("tensor", "complaint"),
    [
        (torch.zeros(1).expand(2**40), r"expected a contiguous tensor, found strides \(0,\)"),
        (torch.zeros(4, 3).T, "expected a contiguous tensor"),
        (torch.zeros(0), "is missing"),
        ("text", "something else than a dictionary of tensors"),
        (torch.zeros(2, dtype=torch.int64), r"wants to run 'torch\.LongStorage'"),
    ],
)
def test_torch_values_that_no_checkpoint_has(tmp_path: Path, tensor: object, complaint: str) -> None:
    torch.save({"perceiver.embeddings.latents": tensor}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", complaint)


def test_a_torch_file_that_holds_no_dictionary(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", "something else than a dictionary of tensors")


def test_a_compressed_torch_file_cannot_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(2**20)}, path)
    rewrite_zip(path, lambda entries: None, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    refuse(path, "entries claim more than the file's")


def test_tensors_that_share_a_storage_are_counted(tmp_path: Path) -> None:
    """Half precision grows when it is converted: two thousand names for one storage would be a small bomb."""
    model = random_model()
    one = torch.zeros(16 * 16, dtype=torch.float16)
    tensors = {
        name: one[: tensor.numel()].view(tensor.shape) if tensor.numel() <= one.numel() else tensor.half()
        for name, tensor in huggingface_tensors(model).items()
    }
    torch.save(tensors, tmp_path / "a.pth")
    honest = OrderedDict((name, tensor.clone()) for name, tensor in tensors.items())
    torch.save(honest, tmp_path / "b.pth")
    assert load_checkpoint(tmp_path / "b.pth", published=SMALL).config == SMALL
    refuse(tmp_path / "a.pth", "claim more bytes than the file has")


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"{}",
        b'{"a": 5}',
        b'{"__metadata__": 5}',
        b'{"__metadata__": {"flowcli.config": 5}}',
        b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}',
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_safetensors_headers_that_lie(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header)
    refuse(tmp_path / "a", "expected |makes no network|holds none at all")


def test_a_safetensors_header_longer_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes((2**31).to_bytes(8, "little") + b"{}")
    refuse(tmp_path / "a", "header longer than the file")


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    name = "perceiver.embeddings.latents\n\x1b[2J" + "x" * 1000
    torch.save({**huggingface_tensors(random_model()), name: torch.zeros(1)}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", r"latents\\n\\x1b\[2Jx+ has no place")
    torch.save({name: torch.zeros(1)}, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", r"such as 'perceiver\.embeddings\.latents\\n")


@pytest.mark.parametrize("kind", ["haiku", "torch", "safetensors"])
def test_random_damage_is_found_or_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Whatever bytes change, the outcome is a checkpoint or a WeightsError; any other exception fails the test."""
    path, model = tmp_path / "a", random_model(MINI)
    if kind == "haiku":
        write_haiku(path, haiku_parameters(model), monkeypatch)
    elif kind == "torch":
        torch.save(huggingface_tensors(model), path)
    else:
        save_file(huggingface_tensors(model), path)
    content = path.read_bytes()
    generator = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 3, 30])):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged[: generator.choice([len(damaged), generator.randrange(len(damaged))])])
        try:
            load_checkpoint(path, published=MINI)
        except WeightsError:
            refused += 1
    assert refused > 75


def test_a_pickle_in_memory_order_of_python_itself(tmp_path: Path) -> None:
    """A plain pickled dictionary of floats is no checkpoint, and says so."""
    buffer = io.BytesIO()
    pickle.dump({"a": {"b": 1.5}}, buffer)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    refuse(tmp_path / "a", "expected an array as 'a/b', found float")
