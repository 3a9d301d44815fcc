"""Our side of the reading process: it is started by the first file, and ends with us.

The process forks for each file (`child.py`): starting Python with numpy and h5py takes a quarter of a second, a fork
five milliseconds.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import EngineError, FormatError
from flowcli.io.hdf5.messages import MESSAGE, REQUEST, SIZE
from flowcli.io.limits import check_size

_PROGRAM = (
    "import sys, socket; sys.path[:] = sys.argv[1:]; "
    "from flowcli.io.hdf5.child import {0}; {0}(socket.socket(fileno=0))"
)
_SILENCE = 120.0
"""Seconds without a word after which a reading process is given up; its own limit is processor time."""
_MAX_TEXT = 1000


class _Server:
    """The process that forks for every file; started when it is needed, and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def hand_over(self, connection: socket.socket) -> None:
        """Give the process the socket of one file."""
        with self._lock:
            try:
                socket.send_fds(self._find_requests(), [b"f"], [connection.fileno()])
            except OSError as error:
                raise EngineError(f"the process that reads HDF5 was ended ({error}); try again") from error

    def _find_requests(self) -> socket.socket:
        if self._requests is not None:
            if self._process is not None and self._process.poll() is None:
                return self._requests
            self._requests.close()
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = _start("serve", theirs)
        return self._requests

    def leave(self) -> None:
        """Close our end; the process ends when nobody has it open any more."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.poll()

    def close(self) -> None:
        """End the process."""
        self.leave()
        if self._process is not None:
            self._process.wait()


_server = _Server()
atexit.register(lambda: _server.close())


def _forget_server() -> None:
    # After a fork the process belongs to the parent.
    global _server
    _server.leave()
    _server = _Server()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_server)


def read_dataset(data: bytes, dataset: str, name: str) -> NDArray[np.float32]:
    """Return a dataset of flow, float32 `(H, W, 2)`, from the bytes of an HDF5 file.

    Args:
        data: the file.
        dataset: its name, in the root group; at most 64 bytes.
        name: the file's name, for messages.

    Raises:
        FormatError: the file is damaged, or has no such dataset; also when the library crashed over it.
        EngineError: no process can be started.
    """
    with _connect() as connection:
        connection.settimeout(_SILENCE)
        try:
            connection.sendall(REQUEST.pack(dataset.encode(), len(data)))
            connection.sendall(data)
            return _receive(connection, name)
        except (EOFError, ConnectionError, TimeoutError):
            raise FormatError(
                f"{name}: HDF5 file is damaged: the library crashed over it, or took more time or memory than its size "
                "allows"
            ) from None


def _receive(connection: socket.socket, name: str) -> NDArray[np.float32]:
    """Put the answer together; nothing that is said in it is believed without a check."""
    uv, rest = np.empty((0, 0, 2), np.float32), memoryview(b"")
    while True:
        kind, length = MESSAGE.unpack(_receive_exactly(connection, MESSAGE.size))
        if kind == b"S" and length == SIZE.size:
            height, width = SIZE.unpack(_receive_exactly(connection, SIZE.size))
            check_size(name, height, width)
            uv = np.empty((height, width, 2), np.float32)
            rest = uv.data.cast("B")
        elif kind == b"R" and length <= len(rest):
            _fill(connection, rest[:length])
            rest = rest[length:]
        elif kind == b"F" and length <= _MAX_TEXT:
            raise FormatError(f"{name}: {_receive_exactly(connection, length).decode('utf-8', 'replace')}")
        elif kind == b"E" and uv.size and not rest:
            return uv
        else:
            raise ConnectionError


def _receive_exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    _fill(connection, memoryview(content))
    return content


def _fill(connection: socket.socket, buffer: memoryview) -> None:
    while buffer:
        received = connection.recv_into(buffer)
        if received == 0:
            raise EOFError
        buffer = buffer[received:]


@contextmanager
def _connect() -> Iterator[socket.socket]:
    """Yield our end of a socket whose other end reads one file."""
    ours, theirs = socket.socketpair()
    with ours:
        if hasattr(os, "fork"):
            with theirs:
                _server.hand_over(theirs)
            yield ours
            return
        with theirs:
            process = _start("answer", theirs)
        try:
            yield ours
        finally:
            ours.close()
            process.wait()


def _start(function: str, connection: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PROGRAM.format(function), *sys.path]
    try:
        return subprocess.Popen(
            command,
            stdin=connection.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us to hear
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # no matrices here; threads would only take memory
        )
    except OSError as error:
        raise EngineError(f"expected to start Python for reading HDF5, found {error.strerror or error}") from error
