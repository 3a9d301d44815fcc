"""What a batch has done, one line of JSON per event, so that the same command continues where the last one stopped.

    {"event": "start", "item": NAME, "origin": [...], "fingerprint": ..., "settings": {...}, "pairs": N, "scale": PX,
     "turn": T}
    {"event": "part",  "item": NAME, "part": K, "files": {PATH: BYTES, ...}}
    {"event": "end",   "item": NAME, "pairs": N, "files": {...}, "fault": null | REASON}

A start forgets what was said of the item before. A line is written after the files that it names are complete under
their final names, and is flushed to the disk; a torn last line (a crash while writing) counts as not written. Paths are
relative to the output folder.

The parts of a batch write a journal each. What they say of one item in turn, in runs with another number of parts, is
put in order by the turn: each start has a higher one than any before it, in whatever journal. The item's own lock is
that of its part: no two processes ever write about one item at a time.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from flowcli.errors import OutputError

Files = dict[str, int]


@dataclass
class ItemRecord:
    """What the journal says of one item."""

    origin: list[str]
    fingerprint: str
    settings: dict[str, object]
    pairs: int | None
    scale: float | None
    parts: dict[int, Files] = field(default_factory=dict[int, Files])
    ended: bool = False
    final: Files = field(default_factory=dict[str, int])
    fault: str | None = None
    turn: int = 0

    @property
    def files(self) -> Files:
        """Every file that belongs to the item, with its size in bytes."""
        together: Files = {}
        for files in (*self.parts.values(), self.final):
            together |= files
        return together


class Journal:
    """The journal of one part of a batch, or of a whole one; hold the folder's lock while it is open.

    Attributes:
        items: the latest record of every item, whichever journal has it.
    """

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
        self.items, self._whole, self._torn = _read(path)
        self._elsewhere: set[str] = set()
        for other in others:
            for name, record in _read(other)[0].items():
                if name not in self.items or self.items[name].turn < record.turn:
                    self.items[name] = record
                    self._elsewhere.add(name)

    def start(self, item: str, record: ItemRecord) -> None:
        """Note that work on an item begins anew."""
        before = self.items.get(item)
        self._write(
            {
                "event": "start",
                "item": item,
                "origin": record.origin,
                "fingerprint": record.fingerprint,
                "settings": record.settings,
                "pairs": record.pairs,
                "scale": record.scale,
                "turn": 0 if before is None else before.turn + 1,
            }
        )
        self._elsewhere.discard(item)

    def part(self, item: str, part: int, files: Files) -> None:
        """Note that a part of an item is complete."""
        self._adopt(item)
        self._write({"event": "part", "item": item, "part": part, "files": files})

    def end(self, item: str, pairs: int, files: Files, fault: str | None) -> None:
        """Note that an item is complete, or as complete as its input allows."""
        self._adopt(item)
        self._write({"event": "end", "item": item, "pairs": pairs, "files": files, "fault": fault})

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _adopt(self, item: str) -> None:
        # To go on where another journal stopped, begin by saying here what it says.
        if item in self._elsewhere:
            record = self.items[item]
            self.start(item, record)
            for part, files in record.parts.items():
                self._write({"event": "part", "item": item, "part": part, "files": files})

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
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        _apply(self.items, json.loads(line))


def _read(path: Path) -> tuple[dict[str, ItemRecord], int, bool]:
    # The items, the number of bytes in whole lines, and whether a torn line follows them.
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path}: the journal of this folder cannot be read: {error}") from error
    complete, _, torn = text.rpartition("\n")
    items: dict[str, ItemRecord] = {}
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            _apply(items, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{path}: line {number} of the journal is damaged; remove the file to start from the beginning"
            ) from error
    return items, len(text.encode()) - len(torn.encode()), bool(torn)


def _apply(items: dict[str, ItemRecord], event: dict) -> None:
    name = event["item"]
    if event["event"] == "start":
        items[name] = ItemRecord(
            event["origin"], event["fingerprint"], event["settings"], event["pairs"], event["scale"], turn=event["turn"]
        )
    elif event["event"] == "part":
        items[name].parts[int(event["part"])] = event["files"]
    elif event["event"] == "end":
        record = items[name]
        record.ended, record.final, record.fault = True, event["files"], event["fault"]
        record.pairs = event["pairs"]
    else:
        raise ValueError(event["event"])
