"""Reading pickles from strangers: nothing but listed names, and every one of them is ours.

A pickle is a program that may call whatever it names. Here each admitted name stands for a small function of flowcli
that only collects values; any other name is refused when it is met, before anything was called. Memory is bounded by
the file: its opcodes are walked first, so that no length or memo index beyond the file reaches the unpickler.
No library does this for haiku's files: `torch.load(weights_only=True)` knows neither their protocols nor their names.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path

from flowcli.errors import WeightsError

# What pickle raises on data that make no sense; its documentation says that the list is open.
_NONSENSE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)
_MEMO_OPCODES = {"PUT", "BINPUT", "LONG_BINPUT"}

Admitted = Mapping[tuple[str, str], object]
"""(module, name) as a pickle spells it -> what it gets instead: a function, or a value that it may only pass on."""


class _Call:
    """A function without attributes: a pickle can call it but has nothing to change on it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, admitted: Admitted, path: Path) -> None:
        super().__init__(io.BytesIO(data))
        self._admitted = admitted
        self._path = path

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._admitted:
            raise WeightsError(
                f"{self._path}: the pickle wants to run {f'{module}.{name}'!r:.100}, which no known checkpoint needs; "
                "refused, nothing was run"
            )
        stand_in = self._admitted[module, name]
        return _Call(stand_in) if callable(stand_in) else stand_in

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("a reference to something outside the file")


def unpickle(data: bytes, admitted: Admitted, path: Path) -> object:
    """Unpickle `data` with nothing but the admitted names.

    Args:
        data: one pickle.
        admitted: the names it may use.
        path: the file, for messages.

    Raises:
        WeightsError: another name is used, or the data are damaged.
    """
    try:
        _check_opcodes(data)
        return _Unpickler(data, admitted, path).load()
    except _NONSENSE as error:
        raise WeightsError(f"{path}: expected a pickle of arrays, found a damaged one ({error})") from error


def _check_opcodes(data: bytes) -> None:
    memo_size = 0
    for opcode, argument, _ in pickletools.genops(data):  # raises ValueError on a length beyond the end
        if opcode.name in _MEMO_OPCODES:
            # The memo is an array: one index of four bytes could claim 64 GiB.
            if not isinstance(argument, int) or argument > memo_size:
                raise ValueError(f"memo index {argument}")
            memo_size += 1
        elif opcode.name == "MEMOIZE":
            memo_size += 1
