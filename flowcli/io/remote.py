"""Inputs and outputs elsewhere, s3:// gs:// https://, by fsspec: a copy in a temporary folder while it is needed.

Readers seek, decoders want files, and half a file must not carry its name; so an input is fetched whole, and an output
is sent when it is complete. The last part of the address stays the name of the copy: outputs are named after it.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from flowcli.errors import FlowcliError, InputError, OutputError, UsageError
from flowcli.io.image import IMAGE_SUFFIXES
from flowcli.io.own_results import leave_out_results

SCHEMES = ("s3", "gs", "gcs", "https", "http")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.+)", re.DOTALL)
_MARKS = "*?["
_BLOCK = 2**22


def is_remote(text: str) -> bool:
    """Return whether a text is an address, and no path.

    Raises:
        UsageError: it is one of a kind that we do not take.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or match[1].lower() == "file":
        return False
    # "::" chains file systems in fsspec, and so reaches others than the one that is named.
    if match[1].lower() not in SCHEMES or "::" in text:
        raise UsageError(f"{text}: expected an address of {', '.join(f'{scheme}://' for scheme in SCHEMES[:4])}")
    return True


class RemoteFiles:
    """What an address names: a file, a folder of images, or a glob of files."""

    def __init__(self, address: str) -> None:
        """Connect; raises InputError if the module that speaks the protocol is missing, or nobody answers."""
        self.address = address
        with _explained(address, InputError):
            from fsspec.core import url_to_fs

            self._system, self._path = url_to_fs(address)
            # What it was told before of this place may be long ago.
            self._system.invalidate_cache()
        self._is_web = address.lower().startswith("http")

    def list(self) -> list[str]:
        """Return the paths of the files: one, those that a glob names, or the images right in a folder.

        Raises:
            InputError: there are none.
        """
        with _explained(self.address, InputError):
            if not self._is_web and any(mark in self._path for mark in _MARKS):
                found = [str(path) for path in self._system.glob(self._path)]
            elif not self._is_web and self._system.isdir(self._path):
                entries = self._system.ls(self._path, detail=True)
                found = [str(entry["name"]) for entry in entries if entry.get("type") == "file"]
                found = [path for path in found if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES]
            elif self._is_web or self._system.exists(self._path):
                return [self._path]
            else:
                found = []
        kept = leave_out_results([Path(path) for path in found])
        if not kept:
            raise InputError(f"{self.address}: no such file or folder, or nothing in it that is a frame")
        names = {path.name for path in kept}
        return sorted(path for path in found if PurePosixPath(path).name in names)

    @property
    def is_single(self) -> bool:
        """Whether it is one file."""
        with _explained(self.address, InputError):
            is_glob = any(mark in self._path for mark in _MARKS)
            return self._is_web or not (is_glob or self._system.isdir(self._path))

    def find(self) -> list[str]:
        """Return the addresses of all files below a folder, or of those that a glob names."""
        with _explained(self.address, InputError):
            if any(mark in self._path for mark in _MARKS):
                found = self._system.glob(self._path)
            else:
                found = self._system.find(self._path)
            return [str(self._system.unstrip_protocol(path)) for path in sorted(found)]

    def fetch(self, folder: Path) -> Path:
        """Copy what is named into `folder`; returns the copy, a file or a folder of files.

        Raises:
            InputError: it is not there, or cannot be had.
        """
        paths = self.list()
        name = name_of(self.address)
        if self.is_single:
            target = folder / name
            with _explained(self.address, InputError):
                self._system.get_file(paths[0], str(target))
            return target
        is_glob = any(mark in self._path for mark in _MARKS)
        target = folder / (PurePosixPath(self._path).parent.name if is_glob else name)
        target.mkdir()
        for path in paths:
            with _explained(self.address, InputError):
                self._system.get_file(path, str(target / PurePosixPath(path).name))
        return target

    def fingerprint(self) -> str:
        """Return a digest of names, sizes and versions; raises InputError."""
        digest = hashlib.sha256()
        for path in self.list():
            with _explained(self.address, InputError):
                info: dict[str, Any] = self._system.info(path)
            version = next(
                (info[key] for key in ("ETag", "etag", "LastModified", "mtime", "updated") if key in info), ""
            )
            digest.update(f"{path}\0{info.get('size')}\0{version}\n".encode())
        return digest.hexdigest()

    def sizes(self) -> dict[str, int]:
        """Return the files below a folder, by their paths below it, and their bytes; none if there is no such folder.

        Raises:
            OutputError: nobody answers.
        """
        root = self._path.rstrip("/") + "/"
        try:
            with _explained(self.address, OutputError):
                found: dict[str, dict[str, Any]] = self._system.find(self._path, detail=True)
        except OutputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return {}
            raise
        return {path.removeprefix(root): int(info.get("size") or 0) for path, info in found.items()}

    def exists(self, path: str) -> bool:
        """Return whether there is a file at `path` below the address."""
        with _explained(self.address, OutputError):
            return bool(self._system.exists(f"{self._path.rstrip('/')}/{path}" if path else self._path))

    def fetch_file(self, path: str, target: Path) -> None:
        """Copy the file at `path` below the address to `target`; raises InputError."""
        with _explained(f"{self.address.rstrip('/')}/{path}", InputError):
            self._system.get_file(f"{self._path.rstrip('/')}/{path}", str(target))

    def holds(self, local: Path, path: str) -> bool:
        """Return whether the file at `path` below the address has the bytes of a file here; raises InputError."""
        where = f"{self._path.rstrip('/')}/{path}"
        with _explained(f"{self.address.rstrip('/')}/{path}", InputError):
            if int(self._system.info(where).get("size") or 0) != local.stat().st_size:
                return False
            with self._system.open(where, "rb") as theirs, local.open("rb") as ours:
                while block := ours.read(_BLOCK):
                    if theirs.read(len(block)) != block:
                        return False
        return True

    def send(self, local: Path, path: str) -> str:
        """Copy a file to `path` below the address, or to the address itself if that is empty; returns where it is.

        Raises:
            OutputError: it cannot be sent.
        """
        where = f"{self._path.rstrip('/')}/{path}" if path else self._path
        with _explained(self.address, OutputError):
            self._system.put_file(str(local), where)
        return f"{self.address.rstrip('/')}/{path}" if path else self.address


def name_of(address: str) -> str:
    """Return the last part of an address, without what follows a question mark on the web."""
    path = unquote(urlsplit(address).path) if address.lower().startswith("http") else address
    name = PurePosixPath(path.rstrip("/")).name
    return name if name not in ("", ".", "..") and "/" not in name and "\0" not in name else "input"


class LocalCopies(AbstractContextManager["LocalCopies"]):
    """Copies of inputs as long as the block lasts; local ones are left alone.

    An error that leaves the block names the address and not the copy.

    Attributes:
        inputs: what to open in their place.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        """Fetch what is remote; raises InputError."""
        self._stack = ExitStack()
        self._names: dict[str, str] = {}
        self.inputs = list(inputs)
        if not any(is_remote(text) for text in inputs):
            return
        try:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="flowcli-")))
            for number, text in enumerate(inputs):
                if is_remote(text):
                    place = folder / str(number)
                    place.mkdir()
                    copy = RemoteFiles(text).fetch(place)
                    self._names[str(copy)] = text
                    self.inputs[number] = str(copy)
        except BaseException:
            self._stack.close()
            raise

    @property
    def are_remote(self) -> bool:
        """Whether there is any copy."""
        return bool(self._names)

    def rename(self, text: str) -> str:
        """Return a message with the addresses in place of the copies."""
        for copy, address in self._names.items():
            text = text.replace(copy, address)
        return text

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Remove the copies."""
        self._stack.close()
        if isinstance(error, FlowcliError) and self._names:
            renamed = self.rename(str(error))
            if renamed != str(error):
                raise type(error)(renamed) from error


class _explained(AbstractContextManager["_explained"]):
    """What libraries of a dozen protocols raise becomes one line."""

    def __init__(self, address: str, error: type[FlowcliError]) -> None:
        self._address, self._error = address, error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, FlowcliError):
            return
        address = self._address
        if isinstance(error, ImportError):
            raise self._error(f"{address}: needs a Python module; run: pip install 'flowcli[remote]'") from error
        if isinstance(error, FileNotFoundError):
            raise self._error(f"{address}: no such file or folder") from error
        words = " ".join(str(error).split()) or type(error).__name__
        raise self._error(
            f"{address}: cannot be {'read' if self._error is InputError else 'written'}: {words}"
        ) from error
