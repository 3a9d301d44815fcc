"""What is fuzzed, as data: a Target says how good files come about and how flowcli reads one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Answer: TypeAlias = object
"""What a file reads to: an array, a mapping of arrays, or any value that compares with ==."""

Reshape: TypeAlias = Callable[[Random, bytes], bytes]
"""A change that knows the format: it takes the file apart, changes a part and writes the rest as it should be."""


@dataclass(frozen=True)
class Seed:
    """A file that is as it should be, unless it says otherwise.

    Attributes:
        name: what is special about it.
        data: its bytes.
        answer: what it reads to; None where the test has no opinion.
        tolerance: largest absolute difference of an array's values from the answer's.
        readable: whether it has to be read at all; a seed that may be refused is only there to be changed.
        mutable: whether mutated inputs are made of it; not of those that are only there as they are, such as bombs.
    """

    name: str
    data: bytes
    answer: Answer = None
    tolerance: float = 0.0
    readable: bool = True
    mutable: bool = True


@dataclass(frozen=True)
class Target:
    """One reader of flowcli and the files it reads; its functions lie at the top of a module, where workers find them.

    Attributes:
        name: unique, for tables and the command line.
        suffix: of the file that the reader is given.
        read: the file -> what it holds; raises FlowcliError for a file that is not as it should be.
        make_seeds: the good files, the same in every run.
        tokens: words of the format, which mutations insert, replace and aim at.
        repair: makes the checksums of a mutated file right again, as far as it can be taken apart.
        reshape: changes that know the format.
        prepare: puts into the folder of the input file what has to lie beside it.
        largest: bytes of the largest thing that the reader may hold for a file that it refuses in the end.
        needed: bytes that reading needs for each byte of the arrays that come out.
        share: how many inputs it gets in comparison with others.
    """

    name: str
    suffix: str
    read: Callable[[Path], Answer]
    make_seeds: Callable[[], Sequence[Seed]]
    tokens: tuple[bytes, ...] = ()
    repair: Callable[[bytes], bytes] | None = None
    reshape: tuple[Reshape, ...] = ()
    prepare: Callable[[Path], None] | None = None
    largest: int = 0
    needed: float = 1.0
    share: float = 1.0


def equals(found: Answer, expected: Answer, tolerance: float) -> bool:
    """Tell whether a file was read to what it holds; NaN equals NaN."""
    if isinstance(expected, np.ndarray):
        return isinstance(found, np.ndarray) and _equals(found, expected, tolerance)
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(equals(found[key], expected[key], tolerance) for key in expected)
        )
    return found == expected


def _equals(found: NDArray[np.generic], expected: NDArray[np.generic], tolerance: float) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if tolerance == 0:
        return np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")
    a, b = found.astype(np.float64), expected.astype(np.float64)
    return bool(np.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True))


def size_of(answer: Answer) -> int:
    """Return the bytes that an answer's arrays take."""
    if isinstance(answer, np.ndarray):
        return answer.nbytes
    if isinstance(answer, Mapping):
        return sum(size_of(value) for value in answer.values())
    return 0
