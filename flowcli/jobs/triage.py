"""What is to be done for one output of one item, by what the journal says and by what is there.

Nothing that is good is ever in danger: what has the names of a result stays until its replacement is complete, and is
replaced only where it is known to be out of date, or where the user asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from flowcli.jobs.attempt import Attempt, FileMark
from flowcli.output.destination import Destination


class State(Enum):
    """How it stands with an output."""

    DONE = "complete, and as it was made"
    OPEN = "to be made, or to be continued"
    OUTDATED = "the input has changed: to be made again"
    EDITED = "complete, but somebody has changed it since"
    OTHER = "there by other settings"
    TAKEN = "something else has its name"


@dataclass(frozen=True)
class Finding:
    """How it stands with an output.

    Attributes:
        state: in one word.
        attempt: the one that is done, or that is to be begun or continued.
        done: the parts that are complete.
        about: the path, or the settings, that decided it.
        replaces: the number of pairs of the result that would be replaced.
    """

    state: State
    attempt: Attempt
    done: frozenset[int] = frozenset()
    about: str = ""
    replaces: int = 0


def examine(
    wanted: Attempt, attempts: Mapping[str, Attempt], destination: Destination, known: Set[str], folder: Path
) -> Finding:
    """Return how it stands with an output.

    Args:
        wanted: input and settings of today.
        attempts: what the journal says, by their marks.
        destination: of the output.
        known: the files of any output of the item that the journal knows.
        folder: for the results; the paths of the journal are relative to it.
    """
    mine = attempts.get(wanted.mark)
    if mine is not None:
        return _examine_own(wanted, mine, folder)
    standing = [attempt for attempt in attempts.values() if _exist(attempt, folder)]
    if standing:
        return _examine_other(wanted, standing, folder)
    foreign = _find_foreign(destination, known, folder)
    if foreign is not None:
        return Finding(State.TAKEN, replace(wanted, staged=True), about=str(foreign))
    return Finding(State.OPEN, wanted)


def _examine_own(wanted: Attempt, mine: Attempt, folder: Path) -> Finding:
    there = {path: FileMark.of(folder / path) for path in mine.files}
    # An empty file is no work of anybody: a crash of the machine leaves such.
    edited = [
        path for path, mark in mine.files.items() if (now := there[path]) and now.size and not mark.same_size(now)
    ]
    if not mine.ended:
        state = State.EDITED if edited else State.OPEN
        return Finding(state, mine, mine.find_done(folder), edited[0] if edited else "")
    if all(mark.same_size(there[path]) for path, mark in mine.files.items()):
        return Finding(State.DONE, mine)
    again = replace(wanted, staged=any(there.values()))
    if edited:
        return Finding(State.EDITED, again, about=edited[0])
    return Finding(State.OPEN, again)


def _examine_other(wanted: Attempt, standing: list[Attempt], folder: Path) -> Finding:
    again = replace(wanted, staged=True)
    pairs = max(attempt.pairs or 0 for attempt in standing if attempt.ended) if any(a.ended for a in standing) else 0
    for attempt in standing:
        if attempt.settings != wanted.settings:
            return Finding(State.OTHER, again, about=", ".join(_compare(attempt.settings, wanted.settings)))
        for path, mark in attempt.files.items():
            now = FileMark.of(folder / path)
            if now is not None and not mark.same(now):
                return Finding(State.EDITED, again, about=path)
    return Finding(State.OUTDATED, again, replaces=pairs)


def _exist(attempt: Attempt, folder: Path) -> bool:
    return any((folder / path).exists() for path in attempt.files)


def _find_foreign(destination: Destination, known: Set[str], folder: Path) -> Path | None:
    path = destination.path
    if not destination.is_folder:
        return path if path.exists() or path.is_symlink() else None
    if not path.is_dir():
        return path if path.exists() else None
    found = (one for one in sorted(path.glob(f"*{destination.suffix}")) if not one.name.startswith("."))
    return next((one for one in found if one.relative_to(folder).as_posix() not in known), None)


def _compare(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    # The names of the settings that differ.
    names: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            names += _compare(before, after)
        elif before != after:
            names.append(key)
    return names
