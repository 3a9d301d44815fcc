"""Checkpoints in every layout that flowcli reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints.published_layouts import (
    MINI,
    haiku_parameters,
    huggingface_tensors,
    jobr0_tensors,
    krasserm_tensors,
    random_model,
    write_haiku,
)
from numpy.typing import NDArray
from safetensors.torch import save_file

from flowcli.checkpoints import build_model, load_checkpoint, save_checkpoint
from flowcli.model.config import COMPACT
from fuzz import checksums, structures
from fuzz.target import Seed, Target

PICKLE = (
    *(
        b"\x80\x02",
        b"\x80\x04",
        b"}",
        b"(",
        b"X",
        b"\x8c",
        b"q\0",
        b"r\0\0\0\0",
        b"c",
        b"R",
        b"b",
        b"s",
        b"u",
        b".",
        b"K\1",
    ),
    *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ctorch\nHalfStorage\n", b"storage", b"\x94"),
    *(b"ccollections\nOrderedDict\n", b"cpu", b"_codecs", b"encode", b"numpy", b"_reconstruct", b"dtype", b"ndarray"),
    *(b"haiku._src.data_structures", b"FlatMapping", b"latin1", b"f4", b"M\xff\xff", b"J\xff\xff\xff\x7f", b"\x8a\x09"),
)
_JSON = (
    b"__metadata__",
    b"dtype",
    b"shape",
    b"data_offsets",
    b"F32",
    b"F64",
    b"I64",
    b"F8_E4M3",
    b"[",
    b"]",
    b"{",
    b"}",
)
ZIP = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"data.pkl", b"data/0", b"version", b"byteorder")


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    checkpoint = load_checkpoint(path, published=MINI)
    model = build_model(checkpoint)
    return {name: tensor.numpy() for name, tensor in (*checkpoint.tensors.items(), ("positions", model.positions))}


def _expected(dtype: torch.dtype = torch.float32) -> dict[str, NDArray[np.float32]]:
    model = random_model(MINI)
    stored = {name: tensor.to(dtype).float().numpy() for name, tensor in model.state_dict().items()}
    return {**stored, "positions": model.positions.numpy()}


def _write(write: Callable[[Path], object], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"weights{suffix}")
        write(path)
        return path.read_bytes()


def _native_seeds() -> list[Seed]:
    model = random_model(MINI)
    tensors, answer = model.state_dict(), _expected()
    plain = _write(lambda path: save_checkpoint(path, MINI, tensors, {"epe": '{"sintel": 1.5}'}), ".safetensors")
    huge = _change_config(plain, '\\"tile\\": [4, 4]', '\\"tile\\": [40000, 20000]')
    return [
        Seed("float32", plain, answer),
        Seed("spaces after the header", _pad_header(plain), answer),
        Seed(
            "the compact network's settings",
            _change_config(plain, '\\"features\\": 4', f'\\"features\\": {COMPACT.features}'),
            readable=False,
        ),
        Seed("a huge tile", huge, readable=False),
    ]


def _change_config(data: bytes, old: str, new: str) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(old.encode(), new.encode())
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def _pad_header(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    return (length + 16).to_bytes(8, "little") + data[8 : 8 + length] + b" " * 16 + data[8 + length :]


def _safetensors_seeds() -> list[Seed]:
    seeds = []
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        tensors = {key: tensor.to(dtype) for key, tensor in huggingface_tensors(random_model(MINI)).items()}
        data = _write(lambda path, tensors=tensors: save_file(tensors, path), ".safetensors")
        seeds.append(Seed(name, data, _expected(dtype)))
    return seeds


def _torch_seeds() -> list[Seed]:
    model = random_model(MINI)
    contents: dict[str, object] = {
        "huggingface": huggingface_tensors(model),
        "jobr0": {"model_state_dict": jobr0_tensors(model), "epoch": None},
        "krasserm": krasserm_tensors(model),
        "huggingface, half": {key: tensor.half() for key, tensor in huggingface_tensors(model).items()},
    }
    seeds = []
    for name, content in contents.items():
        data = _write(partial(torch.save, content), ".pth")
        seeds.append(Seed(name, data, _expected(torch.float16 if name.endswith("half") else torch.float32)))
    return seeds


def _haiku_seeds() -> list[Seed]:
    parameters = haiku_parameters(random_model(MINI))
    seeds = []
    for protocol in (2, 4, 5):
        with pytest.MonkeyPatch.context() as patch:
            data = _write(
                lambda path, patch=patch, protocol=protocol: write_haiku(path, parameters, patch, protocol), ".pystate"
            )
        seeds.append(Seed(f"protocol {protocol}", data, _expected()))
    return [*seeds, Seed("one text many times", _repeated_text(), readable=False, mutable=False)]


def _repeated_text() -> bytes:
    # A text of a megabyte, put into 3000 tuples of its latin1 bytes.
    text = b"X" + (2**20).to_bytes(4, "little") + b"a" * 2**20 + b"q\0"
    call = b"c_codecs\nencode\nh\0X\6\0\0\0latin1\x86R"
    return b"\x80\x02" + text + b"0(" + call * 3000 + b"t."


_HEADER, _MEMBERS = (structures.change_json_header,), (structures.change_zip_members,)
CHECKPOINTS = [
    Target("weights-native", ".safetensors", _read, _native_seeds, _JSON, reshape=_HEADER),
    Target("weights-safetensors", ".safetensors", _read, _safetensors_seeds, _JSON, reshape=_HEADER),
    Target("weights-torch", ".pth", _read, _torch_seeds, (*ZIP, *PICKLE), checksums.repair_zip, _MEMBERS, share=0.4),
    Target("weights-haiku", ".pystate", _read, _haiku_seeds, PICKLE),
]
