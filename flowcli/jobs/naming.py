"""Names for the items of a batch that stay the same from run to run.

The journals know the name of every input that was there before; it keeps that name, whatever comes to it. A newcomer
gets the shortest name that is nobody else's: clip, clip.mp4, videos/clip.mp4, more/videos/clip.mp4. Two newcomers of
one batch that would be called alike both get the longer name.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.attempt import Attempt
from flowcli.jobs.journal import list_journals, read_ledger

# A file system gives a name 255 bytes; the longest ending of an output is `.flow.backward.webm`.
_LONGEST_NAME = 230


@dataclass(frozen=True)
class Candidate:
    """An input and how it may be called.

    Attributes:
        base: its name as long as no other has it.
        suffix: of a file, to tell it from another of the same stem.
        place: the folder that it was found from; its name tells it from others.
        origin: where the inputs really lie.
        fingerprint: tells it from others that once lay there.
        is_named: whether the user gave it its base name, in a list.
    """

    base: str
    suffix: str
    place: Path
    origin: tuple[str, ...]
    fingerprint: Callable[[], str | None]
    is_named: bool = False

    def name(self, level: int) -> str:
        """Return the name of a length: 0 is the shortest."""
        if level == 0:
            return shorten(self.base)
        parts = [*self.place.resolve().parts[1:][-level + 1 :], self.base] if level > 1 else [self.base]
        return shorten("/".join(parts) + self.suffix)

    @property
    def levels(self) -> int:
        """Number of different names."""
        return len(self.place.resolve().parts) + 1


class KnownNames:
    """The names that the journals of an output folder know."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._origins: dict[str, tuple[str, ...]] = {}
        self._fingerprints: dict[str, set[str]] = defaultdict(set)
        self._given: set[str] = set()

    def add(self, name: str, attempt: Attempt) -> None:
        """Take what a journal says of an output of an item."""
        self._fingerprints[name].add(attempt.fingerprint)
        if attempt.turn >= self._turns.get(name, 0):
            self._origins[name], self._turns[name] = tuple(attempt.origin), attempt.turn

    def __iter__(self) -> Iterator[str]:
        return iter(self._origins)

    def find(self, candidate: Candidate, *, its_own: bool) -> str | None:
        """Return the name that an input had before, or None if it is new; each name is given once.

        Args:
            candidate: the input.
            its_own: only a name that it could get today; otherwise any that it had.
        """
        names = self._by_origin.get(candidate.origin, [])
        if not names and self._moved and (fingerprint := candidate.fingerprint()) is not None:
            names = self._moved.get(fingerprint, [])
        preferred = {candidate.name(level) for level in range(candidate.levels)} if names else set[str]()
        fitting = [name for name in names if name not in self._given and (name in preferred or not its_own)]
        found = min(fitting, default=None)
        if found is not None:
            self._given.add(found)
        return found

    @cached_property
    def _by_origin(self) -> dict[tuple[str, ...], list[str]]:
        found: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, origin in self._origins.items():
            found[origin].append(name)
        return dict(found)

    @cached_property
    def _moved(self) -> dict[str, list[str]]:
        # By fingerprint, those of which nothing is where it was: the folder of the inputs was moved, or has another
        # path on this machine.
        found: dict[str, list[str]] = defaultdict(list)
        for name, origin in self._origins.items():
            if not any(os.path.lexists(one) for one in origin):
                for fingerprint in self._fingerprints[name]:
                    found[fingerprint].append(name)
        return dict(found)


def read_names(output: Path) -> KnownNames:
    """Return what the journals of an output folder say; raises OutputError if one is damaged."""
    known = KnownNames()
    for path in list_journals(output / STATE_FOLDER):
        for (name, _), attempts in read_ledger(path)[0].attempts.items():
            for attempt in attempts.values():
                known.add(name, attempt)
    return known


def choose_names(candidates: Sequence[Candidate], known: KnownNames) -> list[str | None]:
    """Return a name for each candidate; None for one that is another over again."""
    names = [known.find(candidate, its_own=True) for candidate in candidates]
    for k, candidate in enumerate(candidates):
        if names[k] is None and not candidate.is_named:
            names[k] = known.find(candidate, its_own=False)
    # All that anybody is or could be called, up to the length that it has now.
    levels = [-1 if name else 0 for name in names]
    new = _drop_repeated(candidates, levels)
    others = Counter(_fold(name) for name in known)
    for k, candidate in enumerate(candidates):
        if names[k] is not None:
            others.update({_fold(candidate.name(0)), _fold(candidate.name(1))} - {_fold(names[k] or "")})
    while True:
        taken = others.copy()
        for k in new:
            taken.update({_fold(candidates[k].name(level)) for level in range(levels[k] + 1)})
        alike = [k for k in new if taken[_fold(candidates[k].name(levels[k]))] > 1]
        longer = [k for k in alike if levels[k] + 1 < candidates[k].levels]
        if not longer:
            break
        for k in longer:
            levels[k] += 1
    for k in new:
        name = candidates[k].name(levels[k])
        names[k] = f"{name}~{_digest(chr(0).join(candidates[k].origin))}" if k in alike else name
    return names


def _drop_repeated(candidates: Sequence[Candidate], levels: Sequence[int]) -> list[int]:
    # The numbers of those without a name, each input under one base name once.
    first: dict[tuple[tuple[str, ...], str], int] = {}
    for k, candidate in enumerate(candidates):
        first.setdefault((candidate.origin, candidate.base), k)
    return [k for k, c in enumerate(candidates) if levels[k] == 0 and first[c.origin, c.base] == k]


def shorten(name: str) -> str:
    """Return a relative path whose last part leaves room for the endings of outputs."""
    path = PurePosixPath(name)
    last = os.fsencode(path.name)
    if len(last) <= _LONGEST_NAME:
        return name
    digest = _digest(path.name)
    # Cut between characters, of which UTF-8 has some that are several bytes long.
    kept = last[: _LONGEST_NAME - 1 - len(digest)].decode("utf-8", "ignore")
    return str(path.with_name(f"{kept}~{digest}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _fold(name: str) -> str:
    # Some file systems know neither capitals nor how an accent is put together.
    return unicodedata.normalize("NFC", name).casefold()
