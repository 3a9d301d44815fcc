"""A batch whose results go elsewhere: it works in a folder of this machine, and sends each item when it is complete.

What was sent leaves an empty file of the same length and time behind, which takes no room: the journal finds
everything as it was made, and the same command continues or finds nothing to do, as with a folder here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from platformdirs import user_cache_path

from flowcli.errors import OutputError, UsageError
from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.remote import RemoteFiles
from flowcli.output.destination import ROWS_SUFFIX

_FOLDER_VARIABLE = "FLOWCLI_WORK"
_SENT = "sent.txt"


class RemoteFolder:
    """A folder elsewhere, and the one here that stands for it.

    Attributes:
        work: the folder here.
    """

    def __init__(self, address: str, *, overwrite: bool) -> None:
        """Find out what is there.

        Args:
            address: of the folder.
            overwrite: whether files there may be replaced that this machine did not send.

        Raises:
            UsageError: it takes no files.
            OutputError: nobody answers.
        """
        if address.lower().startswith("http"):
            raise UsageError(f"{address}: expected s3:// or gs:// to write to, a web address takes no files")
        self._address, self._overwrite = address.rstrip("/"), overwrite
        self._remote = RemoteFiles(self._address)
        folder = os.environ.get(_FOLDER_VARIABLE)
        root = Path(folder) if folder else user_cache_path("flowcli", appauthor=False) / "batches"
        self.work = root / hashlib.sha256(self._address.encode()).hexdigest()[:16]
        self._list = self.work / STATE_FOLDER / _SENT
        self._sent = _read_sent(self._list)
        # Also the first question to the other side, before any work is done.
        self._there = self._remote.sizes()

    def rename(self, text: str) -> str:
        """Return a message with the address in place of the folder here."""
        return text.replace(str(self.work), self._address)

    def send(self, outputs: Iterable[Path]) -> None:
        """Send the files of an item that is complete, if they are not there yet.

        Raises:
            OutputError: they cannot be sent, or would replace what this machine did not send.
        """
        for path in outputs:
            for file in _files_of(path):
                self._send_file(file)

    def _send_file(self, file: Path) -> None:
        name, state = file.relative_to(self.work).as_posix(), file.stat()
        mark = f"{state.st_size} {state.st_mtime_ns}"
        if self._sent.get(name) == mark:
            if self._there.get(name) == state.st_size:
                return
            raise OutputError(
                f"{self._address}/{name}: was sent and is gone or changed since; --overwrite makes it again"
            )
        if name in self._there and name not in self._sent and not self._overwrite:
            raise OutputError(f"{self._address}/{name}: already exists and is not of this batch; use --overwrite")
        self._remote.send(file, name)
        self._there[name], self._sent[name] = state.st_size, mark
        with self._list.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            stream.write(f"{mark} {name}\n")
        if name.endswith(ROWS_SUFFIX):
            # Read again for the table of all items.
            return
        # As long as before, of the same time, and without content.
        with file.open("r+b") as stream:
            stream.truncate(0)
            stream.truncate(state.st_size)
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def _read_sent(path: Path) -> dict[str, str]:
    # Length, time and name of each file, the latest last.
    sent: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            size, _, rest = line.partition(" ")
            changed, _, name = rest.partition(" ")
            if name:
                sent[name] = f"{size} {changed}"
    return sent


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith(".flowcli-"))
    elif path.is_file():
        yield path
        sidecar = path.with_suffix(".json")
        if path.suffix == ".npy" and sidecar.is_file():
            yield sidecar
