"""Files of `torch.save` (PyTorch 1.6 and later): a zip of one pickle and the raw bytes of each storage.

Read here with our own unpickler rather than `torch.load`: the pickle's claims about sizes are checked against the
archive before memory is taken, and only the names that a dictionary of tensors needs pass.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from flowcli.checkpoints.unpickling import unpickle
from flowcli.errors import WeightsError

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
}
# Where a training program keeps the network among other things (JOBR0).
_NESTED_UNDER = "model_state_dict"
_MAX_ENTRIES = 100_000
# What zipfile and torch raise on an archive that contradicts itself.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class _PickledTensor:
    """What the pickle says of a tensor; nothing of it is believed before `_Archive.resolve`."""

    storage: object
    offset: object
    shape: object
    stride: object


def _rebuild_tensor(storage: object, offset: object, shape: object, stride: object, *_: object) -> _PickledTensor:
    return _PickledTensor(storage, offset, shape, stride)


def _rebuild_parameter(tensor: object, *_: object) -> object:
    return tensor


def _make_ordered_dict() -> OrderedDict[object, object]:
    return OrderedDict()  # a plain dict could not take the `_metadata` attribute that state_dict() sets


_ADMITTED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _make_ordered_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}


def _resolve_storage(identity: object) -> _Storage:
    match identity:
        case ("storage", torch.dtype() as dtype, str(key), str(), int()):
            return _Storage(key, dtype)
    raise ValueError("expected a reference to a storage")


class _Archive:
    """The zip, opened and measured: its entries are stored as they are and fit into the file."""

    def __init__(self, zipped: zipfile.ZipFile, path: Path) -> None:
        self._zip = zipped
        self._path = path
        self._storages: dict[str, Tensor] = {}
        entries = zipped.infolist()
        size = path.stat().st_size
        if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > size:
            raise ValueError(f"its {len(entries)} entries claim more than the file's {size} bytes")
        pickles = [entry.filename for entry in entries if PurePosixPath(entry.filename).name == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError("it has no data.pkl, or several")
        self._folder = PurePosixPath(pickles[0]).parent
        self.pickled = zipped.read(pickles[0])
        order = str(self._folder / "byteorder")
        if order in zipped.namelist() and zipped.read(order) != b"little":
            raise ValueError("its numbers are not little-endian")

    def resolve(self, tensor: _PickledTensor) -> Tensor:
        """Make the tensor real, as a view of its storage."""
        storage, offset, shape, stride = tensor.storage, tensor.offset, tensor.shape, tensor.stride
        if not isinstance(storage, _Storage) or type(offset) is not int or offset < 0:
            raise ValueError("its storage or offset makes no sense")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"expected whole numbers as shape, found {shape!r:.100}")
        # Strides of 0 would let a few bytes pose as a tensor of any size.
        if math.prod(shape) and stride != torch.empty(shape, device="meta").stride():
            raise ValueError(f"expected a contiguous tensor, found strides {stride!r:.100} for shape {shape!r:.100}")
        values = self._read(storage)[offset : offset + math.prod(shape)]
        if len(values) != math.prod(shape):
            raise ValueError(f"shape {shape!r:.100} reaches beyond its storage")
        return values.reshape(shape)

    def _read(self, storage: _Storage) -> Tensor:
        if storage.key not in self._storages:
            content = bytearray(self._zip.read(str(self._folder / "data" / storage.key)))
            if len(content) % storage.dtype.itemsize:
                raise ValueError(f"storage {storage.key!r:.100} is no whole number of values")
            empty = torch.empty(0, dtype=storage.dtype)  # frombuffer refuses to make one
            self._storages[storage.key] = torch.frombuffer(content, dtype=storage.dtype) if content else empty
        if self._storages[storage.key].dtype != storage.dtype:
            raise ValueError(f"storage {storage.key!r:.100} is claimed to be of two types")
        return self._storages[storage.key]


def read_torch_zip(path: Path) -> dict[str, Tensor]:
    """Read a file of `torch.save`: {name: tensor}, as stored; tensors may share memory.

    Raises:
        WeightsError: the file is damaged, or its pickle names anything but tensors and dictionaries.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            archive = _Archive(zipped, path)
            top = unpickle(archive.pickled, _ADMITTED, path, _resolve_storage)
            if isinstance(top, dict) and _NESTED_UNDER in top:
                top = top[_NESTED_UNDER]
            if not isinstance(top, dict) or not all(isinstance(tensor, _PickledTensor) for tensor in top.values()):
                raise ValueError("it holds something else than a dictionary of tensors")
            return {str(name): archive.resolve(tensor) for name, tensor in top.items()}
    except _DAMAGE as error:
        raise WeightsError(f"{path}: expected a file of torch.save, found a damaged one ({error})") from error
