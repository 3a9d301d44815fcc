"""Outputs elsewhere: written into a temporary folder, and sent to their addresses when all are complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from flowcli.errors import OutputError, UsageError
from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.remote import RemoteFiles, is_remote, name_of


class RemoteOutputs(AbstractContextManager["RemoteOutputs"]):
    """Places for outputs as long as the block lasts; whoever writes there calls `send` when they are complete."""

    def __init__(self, *, overwrite: bool) -> None:
        """`overwrite`: whether what is there already may be replaced."""
        self._overwrite = overwrite
        self._folder = tempfile.TemporaryDirectory(prefix="flowcli-")
        self._targets: dict[Path, RemoteFiles] = {}

    def place(self, text: str) -> str:
        """Return where to write what is to go to `text`, which is that itself if it is no address.

        Raises:
            UsageError: it is an address that takes no files.
            OutputError: something is there already, or nobody answers.
        """
        if not is_remote(text):
            return text
        if text.lower().startswith("http"):
            raise UsageError(f"{text}: expected s3:// or gs:// to write to, a web address takes no files")
        is_folder = text.endswith("/")
        parent, _, _ = text.rstrip("/").rpartition("/")
        if parent.endswith(":/") or not parent:
            raise UsageError(f"{text}: expected a name after that of the bucket")
        if not self._overwrite and RemoteFiles(text.rstrip("/")).exists(""):
            raise OutputError(f"{text}: already exists; use --overwrite to replace it")
        root = Path(self._folder.name, str(len(self._targets)))
        root.mkdir()
        self._targets[root] = RemoteFiles(parent)
        return f"{root / name_of(text)}{'/' if is_folder else ''}"

    def rename(self, text: str) -> str:
        """Return a message with the addresses in place of the temporary files."""
        for root, target in self._targets.items():
            text = text.replace(str(root), target.address)
        return text

    def send(self) -> None:
        """Send everything that is complete; raises OutputError."""
        for root, target in self._targets.items():
            files = list(_complete_files(root))
            if not self._overwrite:
                for path in files:
                    if target.exists(path):
                        raise OutputError(f"{target.address}/{path}: already exists; use --overwrite to replace it")
            for path in files:
                target.send(root / path, path)

    def __exit__(self, *error: object) -> None:
        """Remove what was written here."""
        self._folder.cleanup()


def _complete_files(root: Path) -> Iterator[str]:
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != STATE_FOLDER)
        yield from (Path(place, name).relative_to(root).as_posix() for name in sorted(names))
