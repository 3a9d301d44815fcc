"""What the journal says of one output of one item: each attempt at it, by input and settings."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import dataclass, field
from pathlib import Path

from flowcli.io.own_results import STATE_FOLDER


@dataclass(frozen=True)
class FileMark:
    """What tells whether a file is still the one that was written: bytes, and nanoseconds of change if known.

    A folder that is one result, as a Zarr array is, counts as the files in it together.
    """

    size: int
    changed: int | None = None

    @classmethod
    def of(cls, path: Path) -> FileMark | None:
        """Return the mark of a file, or None if there is none."""
        try:
            state = path.stat()
            if not stat.S_ISDIR(state.st_mode):
                return cls(state.st_size, state.st_mtime_ns)
            states = [one.stat() for one in path.rglob("*")]
        except OSError:
            return None
        files = [one for one in states if not stat.S_ISDIR(one.st_mode)]
        return cls(sum(one.st_size for one in files), max((one.st_mtime_ns for one in files), default=0))

    def same_size(self, other: FileMark | None) -> bool:
        """Return whether the other is as long: what is copied or moved elsewhere gets new times."""
        return other is not None and other.size == self.size

    def same(self, other: FileMark | None) -> bool:
        """Return whether the other is as long and, as far as that is known, of the same time."""
        return other is not None and self.same_size(other) and self.changed in (None, other.changed)


Files = dict[str, FileMark]


@dataclass
class Attempt:
    """One output of one item, made or being made from one input with one set of settings.

    Attributes:
        origin: where the inputs really lie.
        fingerprint: of the input files.
        settings: everything else that the result depends on, as plain JSON values.
        pairs: number of pairs; None while it is unknown.
        scale: of its pictures in pixels, if they are drawn with a fixed one.
        staged: whether what is done lies in the state folder, because something else has its name until it is complete.
        parts: the files of each complete part, by paths relative to the output folder.
        ended: whether it is complete, or as complete as its input allows (`fault`).
        final: files beyond those of the parts.
        fault: why it is not complete.
        moving: whether its files are being moved from the state folder to their names.
        turn: higher than that of all earlier attempts at this output.
    """

    origin: list[str]
    fingerprint: str
    settings: dict[str, object]
    pairs: int | None
    scale: float | None
    staged: bool = False
    parts: dict[int, Files] = field(default_factory=dict[int, Files])
    ended: bool = False
    final: Files = field(default_factory=dict[str, FileMark])
    fault: str | None = None
    moving: bool = False
    turn: int = 0

    @property
    def mark(self) -> str:
        """A short word for the input and the settings."""
        return mark_attempt(self.fingerprint, self.settings)

    @property
    def files(self) -> Files:
        """The files that carry their final names."""
        together: Files = {}
        if not self.staged:
            for files in (*self.parts.values(), self.final):
                together |= {path: mark for path, mark in files.items() if not path.startswith(f"{STATE_FOLDER}/")}
        return together

    def holds_part(self, part: int, folder: Path) -> bool:
        """Return whether a part is complete, and its files are there as they were written."""
        files = self.parts.get(part)
        return files is not None and all(mark.same_size(FileMark.of(folder / path)) for path, mark in files.items())

    def find_done(self, folder: Path) -> frozenset[int]:
        """Return the parts that are complete."""
        return frozenset(part for part in self.parts if self.holds_part(part, folder))


def mark_attempt(fingerprint: str, settings: dict[str, object]) -> str:
    """Return a short word for an input and settings."""
    return hashlib.sha256(f"{fingerprint} {json.dumps(settings, sort_keys=True)}".encode()).hexdigest()[:8]


def place_work(folder: Path, item: str, kind: str) -> Path:
    """Return what the names of the folders for the unfinished work on an output begin with."""
    # Names may hold bytes that are no text.
    digest = hashlib.sha256(f"{item}\0{kind}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return folder / STATE_FOLDER / "work" / digest
