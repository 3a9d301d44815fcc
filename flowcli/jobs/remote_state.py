"""The state of a batch whose results go elsewhere, kept beside them: another machine can continue with it.

Put there now and then and at the end: the journals, and the list of what this machine has sent. Where the folder here
knows nothing of the batch, they are fetched, and each file that is still there as it was sent gets its stand-in.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.remote import RemoteFiles
from flowcli.jobs.journal import list_journals
from flowcli.output.destination import ROWS_SUFFIX

INTERVAL = 30.0
"""Seconds between two copies of the state: each is sent whole."""
_SENT = "sent.txt"


class RemoteState:
    """Journals and list of a batch, here and there.

    Attributes:
        sent: name below the folder -> bytes and nanoseconds of its last change, as text, for each file that was sent.
    """

    def __init__(self, remote: RemoteFiles, work: Path, there: Mapping[str, int]) -> None:
        """Read the list that is here, or all that is there if nothing is here.

        Args:
            remote: the folder elsewhere.
            work: the folder here.
            there: the files elsewhere and their bytes.
        """
        self._remote, self._folder = remote, work / STATE_FOLDER
        self._list = self._folder / _SENT
        machine = hashlib.sha256(f"{platform.node()}\0{work.absolute()}".encode()).hexdigest()[:12]
        self._list_there = f"{STATE_FOLDER}/sent-{machine}.txt"
        self._told = time.monotonic()
        self._is_known = True
        if not list_journals(self._folder):
            self._fetch(work, there)
        self.sent = dict(_read(self._list))

    def note(self, name: str, mark: str) -> None:
        """Write down that a file was sent."""
        self.sent[name] = mark
        self._is_known = False
        with self._list.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            stream.write(f"{mark} {name}\n")

    def put(self, *, now: bool = False) -> None:
        """Send the state, unless it was sent a short time ago; raises OutputError."""
        if self._is_known or not (now or time.monotonic() - self._told > INTERVAL):
            return
        # Results that the list does not name are compared with ours; the journal may say more than there is.
        self._remote.send(self._list, self._list_there)
        for journal in list_journals(self._folder):
            self._remote.send(journal, f"{STATE_FOLDER}/{journal.name}")
        self._told, self._is_known = time.monotonic(), True

    def _fetch(self, work: Path, there: Mapping[str, int]) -> None:
        names = [PurePosixPath(path) for path in there]
        journals = [path for path in names if path.match(f"{STATE_FOLDER}/journal*.jsonl") and len(path.parts) == 2]
        lists = [path for path in names if path.match(f"{STATE_FOLDER}/sent-*.txt") and len(path.parts) == 2]
        if not journals:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        for path in lists:
            copy = self._folder / path.name
            self._remote.fetch_file(str(path), copy)
            lines += copy.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
            copy.unlink()
        self._list.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogateescape")
        for name, mark in dict(_read(self._list)).items():
            size, changed = _parse(mark)
            if there.get(name) == size and _is_below(name):
                self._stand_in(work / name, size, changed)
        # Last: without a journal all of this is done again.
        for path in journals:
            self._remote.fetch_file(str(path), self._folder / path.name)

    def _stand_in(self, file: Path, size: int, changed: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.name.endswith(ROWS_SUFFIX):
            self._remote.fetch_file(file.relative_to(self._folder.parent).as_posix(), file)
        make_stand_in(file, size, changed)


def make_stand_in(file: Path, size: int, changed: int) -> None:
    """Make a file of this length and time that takes no room; what is in it is lost, but for rows of figures.

    Args:
        file: its folder exists.
        size: bytes.
        changed: nanoseconds of its last change.
    """
    if not file.name.endswith(ROWS_SUFFIX):  # those are read again for the table of all items
        with file.open("wb") as stream:
            stream.truncate(size)
    os.utime(file, ns=(changed, changed))


def _read(path: Path) -> Iterator[tuple[str, str]]:
    # Name, and length and time, of each file, the latest last.
    if path.is_file():
        # Not splitlines: a name may hold what it takes for the end of a line.
        for line in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
            size, _, rest = line.partition(" ")
            changed, _, name = rest.partition(" ")
            if name:
                yield name, f"{size} {changed}"


def _parse(mark: str) -> tuple[int, int]:
    size, changed = mark.split(" ", 1)
    if not all(word.isascii() and word.isdigit() and len(word) < 20 for word in (size, changed)):
        return -1, 0
    # The system counts nanoseconds in 63 bits.
    return int(size), min(int(changed), 2**63 - 1)


def _is_below(name: str) -> bool:
    parts = name.split("/")
    return parts[0] != STATE_FOLDER and not any(part in ("", ".", "..") or "\\" in part for part in parts)
