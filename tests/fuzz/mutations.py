"""Changes to bytes that know nothing of their format but its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

# Where integers turn: signs, sizes of fields, the largest frame, and what overflows when multiplied.
_BOUNDARIES = (0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 8192, 8193, 65535, 65536, 2**26, 2**26 + 1, 2**30, -1, -2, -128)
_TEXT_NUMBERS = (
    *(b"0", b"-0", b"1", b"-1", b"2", b"255", b"256", b"65535", b"65536", b"67108864", b"999999999", b"4294967295"),
    *(b"18446744073709551616", b"9" * 400, b"1e999", b"-1e999", b"1e-999", b"nan", b"inf", b"-inf", b"0.5", b"1/0"),
    *(b"0x10", b"1_000", b"", b" ", b"true", b"null", b'"1"', b"\xd9\xa3"),
)
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LONGEST = 2**20
"""Bytes: a mutated input does not grow beyond."""


class Mutator:
    """Applies one to eight changes at a time.

    Args:
        random: where all choices come from.
        tokens: words of the format.
        others: other good files, to splice with.
    """

    def __init__(self, random: Random, tokens: Sequence[bytes] = (), others: Sequence[bytes] = ()) -> None:
        self._random, self._tokens, self._others = random, tokens, others
        self._changes: list[Callable[[bytearray], None]] = [
            *[self._flip_bit] * 2,
            *[self._set_byte] * 2,
            *[self._set_integer] * 4,
            *[self._nudge_integer] * 2,
            self._cut_end,
            self._insert,
            self._delete,
            self._duplicate,
            self._swap,
            self._fill,
            self._set_number,
            *([self._set_token] * 2 + [self._insert_token] if tokens else []),
            *([self._splice] if others else []),
        ]

    def mutate(self, data: bytes) -> bytes:
        """Return `data` with one to eight changes, of which one alone is the most likely."""
        changed = bytearray(data)
        for _ in range(min(8, 1 + int(self._random.expovariate(0.7)))):
            self._random.choice(self._changes)(changed)
        return bytes(changed[:_LONGEST])

    def _place(self, data: bytearray) -> int:
        # Headers, tails and what follows a word of the format decide more than pixels do.
        random, size = self._random, len(data)
        if size == 0:
            return 0
        kind = random.random()
        if kind < 0.3:
            return random.randrange(min(size, random.choice((16, 64, 256))))
        if kind < 0.4:
            return size - 1 - random.randrange(min(size, 64))
        if kind < 0.7 and self._tokens:
            found = self._find(data, random.choice(self._tokens))
            if found >= 0:
                return min(size - 1, max(0, found + random.randrange(-8, 24)))
        return random.randrange(size)

    def _find(self, data: bytearray, token: bytes) -> int:
        # From a random place on, then from the start: any occurrence may be met.
        found = data.find(token, self._random.randrange(len(data) + 1))
        return found if found >= 0 else data.find(token)

    def _flip_bit(self, data: bytearray) -> None:
        if data:
            data[self._place(data)] ^= 1 << self._random.randrange(8)

    def _set_byte(self, data: bytearray) -> None:
        if data:
            data[self._place(data)] = self._random.randrange(256)

    def _set_integer(self, data: bytearray) -> None:
        size, order = self._random.choice((1, 2, 2, 4, 4, 4, 8)), self._random.choice(("little", "big"))
        value = self._random.choice((*_BOUNDARIES, len(data), 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1))
        place = self._place(data)
        data[place : place + size] = (value % 2 ** (8 * size)).to_bytes(size, order)

    def _nudge_integer(self, data: bytearray) -> None:
        size, order = self._random.choice((1, 2, 4, 8)), self._random.choice(("little", "big"))
        place = self._place(data)
        value = int.from_bytes(data[place : place + size], order)
        value = self._random.choice((value + self._random.randrange(-4, 5), 2 * value, value // 2, ~value))
        data[place : place + size] = (value % 2 ** (8 * size)).to_bytes(size, order)

    def _cut_end(self, data: bytearray) -> None:
        if data:
            del data[-1 - self._random.randrange(self._random.choice((1, 16, len(data)))) :]

    def _block(self, data: bytearray) -> tuple[int, int]:
        start = self._place(data)
        return start, start + 1 + self._random.randrange(self._random.choice((1, 4, 16, 64, 256, 1024)))

    def _insert(self, data: bytearray) -> None:
        place, length = self._place(data), self._random.choice((1, 2, 4, 8, 17, 100, 5000))
        one = bytes([self._random.choice((0, 32, 255, self._random.randrange(256)))]) * length
        data[place:place] = self._random.choice((self._random.randbytes(length), one))

    def _delete(self, data: bytearray) -> None:
        start, end = self._block(data)
        del data[start:end]

    def _duplicate(self, data: bytearray) -> None:
        start, end = self._block(data)
        data[start:start] = data[start:end] * self._random.choice((1, 1, 2, 50))
        del data[_LONGEST:]

    def _swap(self, data: bytearray) -> None:
        start, end = self._block(data)
        other = self._place(data)
        if other >= end:
            first, second = data[start:end], data[other : other + end - start]
            data[other : other + end - start], data[start:end] = first, second

    def _fill(self, data: bytearray) -> None:
        start, end = self._block(data)
        end = min(end, len(data))
        data[start:end] = bytes([self._random.choice((0, 32, 127, 128, 255))]) * (end - start)

    def _set_number(self, data: bytearray) -> None:
        match = _NUMBER.search(data, self._place(data)) or _NUMBER.search(data)
        if match is not None:
            data[match.start() : match.end()] = self._random.choice(_TEXT_NUMBERS)

    def _set_token(self, data: bytearray) -> None:
        old, new = self._random.choice(self._tokens), self._random.choice(self._tokens)
        found = self._find(data, old)
        place = found if found >= 0 else self._place(data)
        data[place : place + len(old)] = new

    def _insert_token(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._random.choice(self._tokens)

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._others)
        place = self._place(data)
        start = place if self._random.random() < 0.5 else self._random.randrange(len(other) + 1)
        if self._random.random() < 0.5:
            data[place:] = other[start:]
        else:
            length = self._random.choice((4, 16, 64, 256))
            data[place : place + length] = other[start : start + length]
