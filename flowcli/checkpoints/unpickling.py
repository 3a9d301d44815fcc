"""Reading pickles from strangers: nothing but listed names, and every one of them is ours.

A pickle is a program that may call whatever it names. Here each admitted name stands for a small function of flowcli
that only collects values; any other name is refused when it is met, before anything was called. Memory is bounded by
the file: its opcodes are walked first, so that no length or memo index beyond the file reaches the unpickler.
No library does this for haiku's files: `torch.load(weights_only=True)` knows neither their protocols nor their names.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from flowcli.checkpoints.pickle_opcodes import walk_opcodes
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
_LARGEST_NAME = 2**16
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
    def __init__(self, file: IO[bytes], admitted: Admitted, path: Path) -> None:
        super().__init__(file)
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


def unpickle(path: Path, admitted: Admitted) -> object:
    """Unpickle a file with nothing but the admitted names; its bytes are not held beside what they become.

    Args:
        path: a file that starts with a pickle.
        admitted: the names it may use.

    Raises:
        WeightsError: another name is used, or the data are damaged.
    """
    try:
        with path.open("rb") as file:
            _check_opcodes(file)
            file.seek(0)
            return _Unpickler(file, admitted, path).load()
    except _NONSENSE as error:
        raise WeightsError(f"{path}: expected a pickle of arrays, found a damaged one ({error!s:.300})") from error


def _check_opcodes(file: IO[bytes]) -> None:
    memo_size = 0
    for opcode, argument in walk_opcodes(file):
        if isinstance(argument, str) and sys.getsizeof(argument) > len(argument) + _LARGEST_NAME:
            # Bytes spelled as text take one byte for each letter; one other letter makes Python take two or four.
            raise ValueError("a long text that spells no bytes")
        if opcode in _MEMO_OPCODES:
            # The memo is an array: one index of four bytes could claim 64 GiB.
            if not isinstance(argument, int) or argument > memo_size:
                raise ValueError(f"memo index {argument}")
            memo_size += 1
        elif opcode == "MEMOIZE":
            memo_size += 1
