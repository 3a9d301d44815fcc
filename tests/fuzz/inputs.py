"""Input k of a target: first the seeds as they are, then mutations, each a function of the campaign's seed and of k."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from fuzz.mutations import Mutator
from fuzz.target import Seed, Target

# A decoder mostly stops at a wrong checksum; what stops at nothing else shows with the rest.
_REPAIRED = 0.8
_RESHAPED = 0.5


@dataclass(frozen=True)
class Input:
    """Bytes for a target, and the seed that they are, or None if they are mutated."""

    data: bytes
    seed: Seed | None = None


def make_input(target: Target, seeds: Sequence[Seed], campaign: int, number: int) -> Input:
    """Return input `number` of `target` in the campaign with the given seed."""
    if number < len(seeds):
        return Input(seeds[number].data, seeds[number])
    digest = hashlib.sha256(f"{campaign}/{target.name}/{number}".encode()).digest()
    random = Random(int.from_bytes(digest[:8], "little"))
    origins = [seed.data for seed in seeds if seed.mutable]
    data = random.choice(origins)
    if target.reshape and random.random() < _RESHAPED:
        data = random.choice(target.reshape)(random, data)
        if random.random() < 0.7:
            return Input(data)
    data = Mutator(random, target.tokens, origins).mutate(data)
    if target.repair is not None and random.random() < _REPAIRED:
        data = target.repair(data)
    return Input(data)
