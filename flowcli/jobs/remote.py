"""A batch whose results go elsewhere: it works in a folder of this machine, and sends each item when it is complete.

What was sent leaves an empty file of the same length and time behind, which takes no room: the journal finds
everything as it was made, and the same command continues or finds nothing to do, as with a folder here. Another machine
continues as well: what it has to know is kept beside the results.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from platformdirs import user_cache_path

from flowcli.errors import OutputError, UsageError
from flowcli.io.remote import RemoteFiles
from flowcli.jobs.remote_state import RemoteState, make_stand_in

_FOLDER_VARIABLE = "FLOWCLI_WORK"


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
            InputError: the state of an earlier run is there and cannot be read.
        """
        if address.lower().startswith("http"):
            raise UsageError(f"{address}: expected s3:// or gs:// to write to, a web address takes no files")
        self._address, self._overwrite = address.rstrip("/"), overwrite
        self._remote = RemoteFiles(self._address)
        folder = os.environ.get(_FOLDER_VARIABLE)
        root = Path(folder) if folder else user_cache_path("flowcli", appauthor=False) / "batches"
        self.work = root / hashlib.sha256(self._address.encode()).hexdigest()[:16]
        # Also the first question to the other side, before any work is done.
        self._there = self._remote.sizes()
        self._state = RemoteState(self._remote, self.work, self._there)

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
        self._state.put()

    def close(self) -> None:
        """Send the state of the batch; raises OutputError."""
        self._state.put(now=True)

    def _send_file(self, file: Path) -> None:
        name, state = file.relative_to(self.work).as_posix(), file.stat()
        mark = f"{state.st_size} {state.st_mtime_ns}"
        known = self._state.sent.get(name)
        if known == mark:
            if self._there.get(name) == state.st_size:
                return
            raise OutputError(
                f"{self._address}/{name}: was sent and is gone or changed since; --overwrite makes it again"
            )
        if name in self._there and known is None and not self._overwrite:
            # Perhaps sent in the moments before this or another machine stopped.
            if not self._remote.holds(file, name):
                raise OutputError(f"{self._address}/{name}: already exists and is not of this batch; use --overwrite")
        else:
            self._remote.send(file, name)
        self._there[name] = state.st_size
        self._state.note(name, mark)
        make_stand_in(file, state.st_size, state.st_mtime_ns)


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith(".flowcli-"))
    elif path.is_file():
        yield path
        sidecar = path.with_suffix(".json")
        if path.suffix == ".npy" and sidecar.is_file():
            yield sidecar
