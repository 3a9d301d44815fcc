"""What a batch has done, one line of JSON per event, so that the same command continues where the last one stopped.

    {"event": "start", "item": NAME, "kind": KIND, "origin": [...], "fingerprint": ..., "settings": {...}, "pairs": N,
     "scale": PX, "staged": false, "turn": T}
    {"event": "part",  "item": NAME, "kind": KIND, "part": K, "files": {PATH: [BYTES, CHANGED], ...}}
    {"event": "move",  "item": NAME, "kind": KIND, "pairs": N, "files": {...}, "fault": null | REASON}
    {"event": "end",   "item": NAME, "kind": KIND, "pairs": N, "files": {...}, "fault": null | REASON}

Every output of an item has attempts of its own: by another input or other settings is another attempt, and what is said
of one begins with its start. An end forgets all other attempts at that output. A move says that the files of a staged
attempt are on their way to their final names: it has to be ended before anything else. A line is written after the
files that it names are complete, and is flushed to the disk; a torn last line (a crash while writing) counts as not
written. Paths are relative to the output folder.

The parts of a batch write a journal each. What they say of one output in turn, in runs with another number of parts, is
put in order by the turn: each start has a higher one than any before it, in whatever journal. The item's own lock is
that of its part: no two processes ever write about one item at a time.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.jobs.attempt import Attempt, Files
from flowcli.jobs.journal_lines import Ledger

# What a flush to the disk answers where the file system has no such thing: the line is written all the same.
_NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EROFS}


class Journal:
    """The journal of one part of a batch, or of a whole one; hold the folder's lock while it is open."""

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        """Read what is there.

        Args:
            path: of the journal to write; need not exist.
            others: the journals of other parts, which are only read.

        Raises:
            OutputError: a file cannot be read, or is no journal.
        """
        self._path = path
        self._stream: FileIO | None = None
        self._ledger, self._whole, self._torn = read_ledger(path)
        # What a line without a start of its own would be about.
        self._current = {key: list(attempts)[-1] for key, attempts in self._ledger.attempts.items() if attempts}
        for other in others:
            self._ledger.merge(read_ledger(other)[0])

    def attempts(self, item: str, kind: str) -> dict[str, Attempt]:
        """Return the attempts at an output by their marks, the latest last: whichever journal has them."""
        return self._ledger.attempts.get((item, kind), {})

    def kinds(self, item: str) -> list[str]:
        """Return the kinds of output of an item that something is said about."""
        return [kind for name, kind in self._ledger.attempts if name == item]

    def start(self, item: str, kind: str, attempt: Attempt) -> None:
        """Note that an attempt begins, from its first part."""
        turn = max((one.turn for one in self.attempts(item, kind).values()), default=-1) + 1
        self._write(
            {
                "event": "start",
                "item": item,
                "kind": kind,
                "origin": attempt.origin,
                "fingerprint": attempt.fingerprint,
                "settings": attempt.settings,
                "pairs": attempt.pairs,
                "scale": attempt.scale,
                "staged": attempt.staged,
                "turn": turn,
            }
        )
        self._current[item, kind] = attempt.mark

    def part(self, item: str, kind: str, attempt: Attempt, part: int, files: Files) -> None:
        """Note that a part of an attempt is complete."""
        self._take_up(item, kind, attempt)
        self._write({"event": "part", "item": item, "kind": kind, "part": part, "files": _plain(files)})

    def move(self, item: str, kind: str, attempt: Attempt, pairs: int, files: Files, fault: str | None) -> None:
        """Note that a staged attempt is complete and is about to take its names."""
        self._take_up(item, kind, attempt)
        self._write({"event": "move", "item": item, "kind": kind} | _ending(pairs, files, fault))

    def end(self, item: str, kind: str, attempt: Attempt, pairs: int, files: Files, fault: str | None) -> None:
        """Note that an attempt is complete, or as complete as its input allows."""
        self._take_up(item, kind, attempt)
        self._write({"event": "end", "item": item, "kind": kind} | _ending(pairs, files, fault))

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _take_up(self, item: str, kind: str, attempt: Attempt) -> None:
        # To go on with what another journal says, or with what is not the latest here, begin by saying it.
        if self._current.get((item, kind)) == attempt.mark:
            return
        self.start(item, kind, attempt)
        for part, files in attempt.parts.items():
            self._write({"event": "part", "item": item, "kind": kind, "part": part, "files": _plain(files)})

    def _write(self, event: dict[str, object]) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            if self._stream is None:
                # Unbuffered: nothing may wait for a later write or for the end.
                self._stream = self._path.open("ab", buffering=0)
                if self._torn:
                    self._stream.truncate(self._whole)
            # A folder that was removed meanwhile takes the journal along; writing to it would go nowhere, unnoticed.
            if not self._path.exists():
                raise OutputError(f"{self._path}: the journal was removed while the batch was running")
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self._ledger.add(json.loads(line))

    def _flush(self) -> None:
        assert self._stream is not None
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            if error.errno not in _NO_FSYNC:
                raise


def read_ledger(path: Path) -> tuple[Ledger, int, bool]:
    """Return what a journal says, the number of bytes in its whole lines, and whether a torn line follows them.

    Raises:
        OutputError: it cannot be read, or is no journal.
    """
    ledger, whole = Ledger(), 0
    if not path.exists():
        return ledger, 0, False
    if not path.is_file():
        raise OutputError(f"{path}: expected the journal of this folder, found something that is no file; remove it")
    line = b""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    ledger.add(json.loads(line))
                # Nesting beyond what Python's stack bears.
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise OutputError(
                        f"{path}: line {number} of the journal is damaged; remove the file to start from the beginning"
                    ) from error
                whole += len(line)
    except (OSError, MemoryError) as error:
        raise OutputError(f"{path}: the journal of this folder cannot be read: {error}") from error
    ledger.settle()
    return ledger, whole, not line.endswith(b"\n") and bool(line)


def list_journals(state: Path) -> list[Path]:
    """Return the journals of all parts in a state folder."""
    return sorted(state.glob("journal*.jsonl"))


def _plain(files: Files) -> dict[str, list[int | None]]:
    return {path: [mark.size, mark.changed] for path, mark in files.items()}


def _ending(pairs: int, files: Files, fault: str | None) -> dict[str, object]:
    return {"pairs": pairs, "files": _plain(files), "fault": fault}
