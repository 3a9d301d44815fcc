"""Walking through a pickle without running it: what it would do, and whether that stays within bounds.

A few bytes of a pickle can ask for much: an empty dictionary takes one byte of the file and 64 of memory; a tuple that
holds the same tuple twice, which holds the same tuple twice, and so on, takes 2^n steps when it becomes a key.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import IO

MAX_OPCODES = 2**18
"""A checkpoint of 1024 layers, with the states of its optimiser, takes less."""
MAX_TUPLE = 2**10
"""Values in a tuple, those of the tuples in it among them; arrays and tensors take 20."""

_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_TUPLE = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
# Functions may return what they are given.
_CALL = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD"}


def walk_opcodes(pickled: bytes | IO[bytes]) -> Iterator[tuple[str, object]]:
    """Yield the name and the argument of every opcode.

    Raises:
        ValueError: an unknown opcode, a length beyond the end, more than MAX_OPCODES, or a tuple beyond MAX_TUPLE.
    """
    sizes = _TupleSizes()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
        if number >= MAX_OPCODES:
            raise ValueError(f"more than {MAX_OPCODES} steps")
        sizes.follow(opcode, argument)
        yield opcode.name, argument


class _TupleSizes:
    """The unpickler's stack and memo, with the number of values in each tuple in place of the objects."""

    def __init__(self) -> None:
        self.stack: list[int | None] = []  # None: a mark
        self.memo: dict[object, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Do what the opcode does to stack and memo; one that is damaged is left to the unpickler."""
        if opcode.name in _PUT | {"MEMOIZE"}:
            index = len(self.memo) if opcode.name == "MEMOIZE" else argument
            self.memo[index] = (self.stack[-1] if self.stack else None) or 1
            return
        taken = self._take(opcode)
        if opcode.name == "MARK":
            self.stack.append(None)
            return
        result = 1
        if opcode.name in _GET:
            result = self.memo.get(argument, 1)
        elif opcode.name in _TUPLE:
            result = 1 + sum(taken)
        elif opcode.name in _CALL or opcode.name == "DUP":
            result = max(taken, default=1)
        if result > MAX_TUPLE:
            raise ValueError(f"a tuple of more than {MAX_TUPLE} values")
        self.stack += [result] * len(opcode.stack_after)

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        before = opcode.stack_before
        taken: list[int] = []
        count = len(before)
        if pickletools.markobject in before:
            count = before.index(pickletools.markobject)
            while self.stack and (size := self.stack.pop()) is not None:
                taken.append(size)
        for _ in range(min(count, len(self.stack))):
            taken.append(self.stack.pop() or 1)
        return taken
