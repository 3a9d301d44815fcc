"""Checkpoints from strangers: nothing of theirs runs, no lie takes memory, any damage is one clear error."""

from __future__ import annotations

import io
import pickle
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from published_layouts import (
    MINI,
    SMALL,
    Touch,
    haiku_parameters,
    huggingface_tensors,
    random_model,
    refuse,
    write_haiku,
)
from safetensors.torch import save_file

from flowcli.checkpoints import load_checkpoint
from flowcli.errors import WeightsError


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
    "bytes in a strange encoding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R.",
    "a class that is called": b"\x80\x02cnumpy\nndarray\n)R.",
    "deep nesting": b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".",
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


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_reading(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").touch()
    monkeypatch.setattr("flowcli.checkpoints.loading.is_native", refuse_reading)
    refuse(tmp_path / "a", "cannot be read: Permission denied")


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
    for _ in range(100):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 3, 30])):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged[: generator.choice([len(damaged), generator.randrange(len(damaged))])])
        try:
            load_checkpoint(path, published=MINI)
        except WeightsError:
            refused += 1
    assert refused > 50


def test_a_pickle_in_memory_order_of_python_itself(tmp_path: Path) -> None:
    """A plain pickled dictionary of floats is no checkpoint, and says so."""
    buffer = io.BytesIO()
    pickle.dump({"a": {"b": 1.5}}, buffer)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    refuse(tmp_path / "a", "expected an array as 'a/b', found float")
