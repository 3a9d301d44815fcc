"""What a batch has done, one line of JSON per event, so that the same command continues where the last one stopped.

    {"event": "start", "item": NAME, "origin": [...], "fingerprint": ..., "settings": {...}, "pairs": N, "scale": PX}
    {"event": "part",  "item": NAME, "part": K, "files": {PATH: BYTES, ...}}
    {"event": "end",   "item": NAME, "pairs": N, "files": {...}, "fault": null | REASON}

A start forgets what was said of the item before. A line is written after the files that it names are complete under
their final names, and is flushed to the disk; a torn last line (a crash while writing) counts as not written. Paths are
relative to the output folder.
"""

from __future__ import annotations

import errno
import json
import os
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

    @property
    def files(self) -> Files:
        """Every file that belongs to the item, with its size in bytes."""
        together: Files = {}
        for files in (*self.parts.values(), self.final):
            together |= files
        return together


class Journal:
    """The journal of one output folder; hold the folder's lock while it is open."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            OutputError: the file cannot be read, or is no journal.
        """
        self._path = path
        self._stream: FileIO | None = None
        self.items: dict[str, ItemRecord] = {}
        try:
            text = path.read_text("utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path}: the journal of this folder cannot be read: {error}") from error
        complete, _, torn = text.rpartition("\n")
        self._torn = bool(torn)
        self._length = len(text.encode()) - len(torn.encode())
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise OutputError(
                    f"{path}: line {number} of the journal is damaged; remove the file to start from the beginning"
                ) from error

    def start(self, item: str, record: ItemRecord) -> None:
        """Note that work on an item begins anew."""
        self._write(
            {
                "event": "start",
                "item": item,
                "origin": record.origin,
                "fingerprint": record.fingerprint,
                "settings": record.settings,
                "pairs": record.pairs,
                "scale": record.scale,
            }
        )

    def part(self, item: str, part: int, files: Files) -> None:
        """Note that a part of an item is complete."""
        self._write({"event": "part", "item": item, "part": part, "files": files})

    def end(self, item: str, pairs: int, files: Files, fault: str | None) -> None:
        """Note that an item is complete, or as complete as its input allows."""
        self._write({"event": "end", "item": item, "pairs": pairs, "files": files, "fault": fault})

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, event: dict[str, object]) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            if self._stream is None:
                # Unbuffered: nothing may wait for a later write or for the end.
                self._stream = self._path.open("ab", buffering=0)
                if self._torn:
                    self._stream.truncate(self._length)
            # A folder that was removed meanwhile takes the journal along; writing to it would go nowhere, unnoticed.
            if not self._path.exists():
                raise OutputError(f"{self._path}: the journal was removed while the batch was running")
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self._apply(json.loads(line))

    def _apply(self, event: dict) -> None:
        name = event["item"]
        if event["event"] == "start":
            self.items[name] = ItemRecord(
                event["origin"], event["fingerprint"], event["settings"], event["pairs"], event["scale"]
            )
        elif event["event"] == "part":
            self.items[name].parts[int(event["part"])] = event["files"]
        elif event["event"] == "end":
            record = self.items[name]
            record.ended, record.final, record.fault = True, event["files"], event["fault"]
            record.pairs = event["pairs"]
        else:
            raise ValueError(event["event"])
