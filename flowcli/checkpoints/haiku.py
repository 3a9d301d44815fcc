"""DeepMind's `.pystate`: a pickled two-level mapping {module: {parameter: numpy array}}, read without haiku or jax.

Mappings pickle as `haiku._src.data_structures.FlatMapping(dict)` (older: FlatMap, frozendict); arrays as numpy does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcli.checkpoints.unpickling import unpickle
from flowcli.errors import WeightsError

_MAX_NAME = 1000
# numpy's codes of the kinds of number that weights come in; all little-endian.
_DTYPES = {"f2": np.float16, "f4": np.float32, "f8": np.float64}


class _PickledDtype:
    """Stands in for `numpy.dtype(code, align, copy)`; its state tells the byte order."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code
        self.order: object = "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = state[1]

    def resolve(self) -> np.dtype:
        if not isinstance(self.code, str) or self.code not in _DTYPES or self.order not in ("<", "="):
            raise ValueError("expected little-endian floating-point arrays, found others")
        return np.dtype(_DTYPES[self.code])


class _PickledArray:
    """Stands in for an array: shape, dtype, order and bytes, made into a real one after everything was checked."""

    def __init__(self, *_: object) -> None:
        self.shape: object = ()
        self.dtype: object = None
        self.fortran: object = False
        self.data: object = b""
        self.tensor: Tensor | None = None

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def resolve(self) -> Tensor:
        """Make the array, once; its bytes are let go, so that they do not stand beside it."""
        if self.tensor is None:
            self.tensor = self._convert()
            self.data = b""
        return self.tensor

    def _convert(self) -> Tensor:
        shape, data = self.shape, self.data
        if not isinstance(self.dtype, _PickledDtype) or not isinstance(data, bytes | bytearray):
            raise ValueError("expected an array of numbers")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("expected whole numbers as shape, found something else")
        dtype = self.dtype.resolve()
        size = math.prod(shape) * dtype.itemsize
        if size != len(data):
            raise ValueError(f"expected {size} bytes for shape {shape!r:.100}, found {len(data)}")
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if self.fortran else "C")
        return torch.from_numpy(array.copy(order="C"))


def _array_from_buffer(data: object, dtype: object, shape: object, order: object) -> _PickledArray:
    array = _PickledArray()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


class _Latin1:
    """Protocol 2 has no bytes: it spells them as text and calls `_codecs.encode`. One text may be named many times."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def encode(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError("expected bytes spelled in latin1, found another encoding")
        self.budget -= len(text)
        if self.budget < 0:
            raise ValueError("its arrays claim more bytes than the file has")
        return text.encode("latin1")


def _keep_mapping(mapping: object = None) -> object:
    return {} if mapping is None else mapping


_ADMITTED = {
    **{("haiku._src.data_structures", name): _keep_mapping for name in ("FlatMapping", "FlatMap", "frozendict")},
    # numpy 2 renamed `numpy.core`; `numpy.ndarray` is only ever an argument of _reconstruct.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _PickledArray for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _PickledDtype,
}


def read_haiku(path: Path) -> dict[str, Tensor]:
    """Read a `.pystate` file: {"module/parameter": tensor}, as stored.

    Raises:
        WeightsError: the pickle names anything but mappings and arrays, or is damaged.
    """
    budget = path.stat().st_size
    top = unpickle(path, {**_ADMITTED, ("_codecs", "encode"): _Latin1(budget).encode})
    tensors: dict[str, Tensor] = {}
    for module, parameters in _items(top, path):
        for parameter, array in _items(parameters, path):
            if len(module) + len(parameter) > _MAX_NAME:
                raise WeightsError(f"{path}: expected names of at most {_MAX_NAME} letters, found {module!r:.100}")
            name = f"{module}/{parameter}"
            if not isinstance(array, _PickledArray):
                raise WeightsError(f"{path}: expected an array as {name!r:.100}, found {type(array).__name__}")
            try:
                # Arrays may share their bytes within a pickle, and each is copied here.
                budget -= len(array.data) if isinstance(array.data, bytes | bytearray) else 0
                if budget < 0:
                    raise ValueError("the arrays claim more bytes than the file has")
                tensors[name] = array.resolve()
            except (ValueError, OverflowError) as error:
                raise WeightsError(f"{path}: {name!r:.100}: {error!s:.300}") from error
    return tensors


def _items(mapping: object, path: Path) -> Iterator[tuple[str, object]]:
    if not isinstance(mapping, dict):
        raise WeightsError(f"{path}: expected a mapping of mappings of arrays, found {type(mapping).__name__}")
    if not all(isinstance(key, str) for key in mapping):
        raise WeightsError(f"{path}: expected names as keys of the mapping, found something else")
    yield from mapping.items()
