"""Files of `torch.save` (PyTorch 1.6 and later): a zip of one pickle and the raw bytes of each storage.

`torch.load(weights_only=True)` reads them and runs no foreign code. Before it does, the archive and the names in the
pickle are looked at, because the loader would inflate whatever is compressed, does not compare checksums when it maps
the file, and admits functions that take memory for the asking (`bytearray`).
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypeGuard

import torch
from torch import Tensor

from flowcli.checkpoints.pickle_opcodes import walk_opcodes
from flowcli.errors import WeightsError

# What a dictionary of floating-point tensors needs.
ADMITTED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double")),
    # Counters of an optimiser, beside the network.
    *(f"torch {kind}Storage" for kind in ("Long", "Int", "Byte", "Bool")),
}
# Where training programs keep the network among other things (Lightning, JOBR0, PyTorch's own tutorials).
_NESTED_UNDER = ("state_dict", "model_state_dict", "model")
_MAX_ENTRIES = 100_000
_MAX_READ = 2**24
_MAX_NAME = 10_000
_PROTOCOL = 2
# What zipfile and torch raise on an archive that contradicts itself.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _FrugalFile(io.FileIO):
    """Refuses to read much at once: zipfile reads a directory whole, and makes ten times its size of it."""

    def read(self, size: int | None = None, /) -> bytes:
        if size is not None and size > _MAX_READ:
            raise ValueError(f"a part of it claims {size} bytes")
        return super().read(_MAX_READ if size is None or size < 0 else size)


def read_torch_zip(path: Path) -> dict[str, Tensor]:
    """Read a file of `torch.save`: {name: tensor}, as stored; tensors may share memory, which is the mapped file.

    Raises:
        WeightsError: the file is damaged, or its pickle names anything but tensors and dictionaries.
    """
    top = load_torch_zip(path)
    for _ in _NESTED_UNDER:
        inner = (
            next((top[key] for key in _NESTED_UNDER if isinstance(top.get(key), dict)), None) if _is_dict(top) else None
        )
        top = top if inner is None else inner
    tensors = (
        {str(name): value.detach() for name, value in top.items() if isinstance(value, Tensor)} if _is_dict(top) else {}
    )
    if not _is_dict(top) or len(tensors) < len(top):
        raise WeightsError(
            f"{path}: expected a file of torch.save, found one of something else than a dictionary of tensors"
        )
    return tensors


def _is_dict(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def load_torch_zip(path: Path) -> object:
    """Load a file of `torch.save` that holds tensors in dictionaries, lists and tuples, beside plain values.

    Raises:
        WeightsError: the file is damaged, or its pickle names anything else.
    """
    try:
        with _FrugalFile(path) as file, zipfile.ZipFile(file) as zipped:
            storages = _check_archive(zipped, path)
        top = _load(path)
        _check_storages(dict(_find_tensors(top, "", set())), storages)
        return top
    except _DAMAGE as error:
        raise WeightsError(f"{path}: expected a file of torch.save, found a damaged one ({_reason(error)})") from error


def _find_tensors(value: object, name: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value.detach()
    elif isinstance(value, dict | list | tuple) and id(value) not in seen:
        seen.add(id(value))  # one container may be there a million times
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if not isinstance(key, str | int) or len(name) > _MAX_NAME:
                raise ValueError("expected short names or numbers as keys of its dictionaries")
            yield from _find_tensors(part, f"{name}.{key}" if name else str(key), seen)


def _load(path: Path) -> object:
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    # So is every file of the weights folder called, but torch would believe the name.
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "weights.pt"
        link.symlink_to(path.resolve())
        return torch.load(link, map_location="cpu", weights_only=True, mmap=True)


def _check_archive(zipped: zipfile.ZipFile, path: Path) -> Counter[int]:
    """Check the zip and the pickle in it; return how many storages there are of each size in bytes."""
    entries = zipped.infolist()
    size = path.stat().st_size
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"its {len(entries)} entries claim more than the file's {size} bytes")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("its entries are compressed")
    if damaged := zipped.testzip():  # the loader's memory map knows no checksums
        raise ValueError(f"entry {damaged!r:.100} is not what its checksum says")
    pickles = [entry.filename for entry in entries if PurePosixPath(entry.filename).name == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError("it has no data.pkl, or several")
    folder = PurePosixPath(pickles[0]).parent
    names = {entry.filename for entry in entries}
    if str(folder / "constants.pkl") in names:
        raise ValueError("it is a TorchScript program; save its state_dict() instead")
    order = str(folder / "byteorder")
    if order in names and zipped.read(order) != b"little":
        raise ValueError("its numbers are not little-endian")
    _check_pickle(zipped.read(pickles[0]), path)
    return Counter(entry.file_size for entry in entries if PurePosixPath(entry.filename).parent == folder / "data")


def _check_pickle(data: bytes, path: Path) -> None:
    for opcode, argument in walk_opcodes(data):
        if opcode == "PROTO" and argument != _PROTOCOL:
            raise ValueError(f"expected pickle protocol {_PROTOCOL}, found {argument}")
        if opcode == "GLOBAL" and argument not in ADMITTED:
            raise WeightsError(
                f"{path}: the pickle wants to run {str(argument).replace(' ', '.', 1)!r:.100}, which no known "
                "checkpoint needs; refused, nothing was run"
            )


def _check_storages(tensors: dict[str, Tensor], storages: Counter[int]) -> None:
    # Strides of 0 would let a few bytes pose as a tensor of any size.
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(f"expected a contiguous tensor, found {name!r:.100} with strides {tensor.stride()}")
    # The loader takes the size of a storage from the pickle: it may reach into the bytes of the next one.
    claimed = {storage.data_ptr(): storage.nbytes() for storage in map(Tensor.untyped_storage, tensors.values())}
    if too_long := Counter(size for size in claimed.values() if size) - storages:
        raise ValueError(f"a tensor claims a storage of {min(too_long)} bytes, which the file does not have")


def _reason(error: Exception) -> str:
    """Return what torch says in one line, without its advice on loading untrusted files."""
    found = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    lines = (found[1] if found else str(error)).splitlines()
    return lines[0][:200] if lines else type(error).__name__
