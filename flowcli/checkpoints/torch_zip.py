"""Files of `torch.save` (PyTorch 1.6 and later): a zip of one pickle and the raw bytes of each storage.

`torch.load(weights_only=True)` reads them and runs no foreign code. Before it does, the archive and the names in the
pickle are looked at, because the loader would inflate whatever is compressed, does not compare checksums when it maps
the file, and admits functions that take memory for the asking (`bytearray`).
"""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from flowcli.errors import WeightsError

# What a dictionary of floating-point tensors needs.
ADMITTED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double")),
}
# Where a training program keeps the network among other things (JOBR0).
_NESTED_UNDER = "model_state_dict"
_MAX_ENTRIES = 100_000
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


def read_torch_zip(path: Path) -> dict[str, Tensor]:
    """Read a file of `torch.save`: {name: tensor}, as stored; tensors may share memory, which is the mapped file.

    Raises:
        WeightsError: the file is damaged, or its pickle names anything but tensors and dictionaries.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            storages = _check_archive(zipped, path)
        top = _load(path)
        if isinstance(top, dict) and _NESTED_UNDER in top:
            top = top[_NESTED_UNDER]
        if not isinstance(top, dict) or not all(isinstance(tensor, Tensor) for tensor in top.values()):
            raise ValueError("it holds something else than a dictionary of tensors")
        tensors = {str(name): tensor.detach() for name, tensor in top.items()}
        _check_storages(tensors, storages)
        return tensors
    except _DAMAGE as error:
        raise WeightsError(f"{path}: expected a file of torch.save, found a damaged one ({_reason(error)})") from error


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
    for opcode, argument, _ in pickletools.genops(data):  # raises ValueError on a length beyond the end
        if opcode.name == "PROTO" and argument != _PROTOCOL:
            raise ValueError(f"expected pickle protocol {_PROTOCOL}, found {argument}")
        if opcode.name == "GLOBAL" and argument not in ADMITTED:
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
    return (found[1] if found else f"{error or type(error).__name__}").splitlines()[0][:200]
