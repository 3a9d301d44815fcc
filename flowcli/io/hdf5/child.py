"""The process that reads: it forks for every file, so that each meets a fresh library and limits of its own.

A socket comes in for each file. From it come a REQUEST and the file; into it go messages, a MESSAGE head and its
content: `S`, height and width; `R`, rows of float32 u, v; `F`, what is wrong with the file; `E`, that was all. A
process that dies sends no `E`.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from pathlib import Path

import h5py

from flowcli.io.hdf5.dataset import DatasetError, find_size, read_strips
from flowcli.io.hdf5.messages import MESSAGE, REQUEST, SIZE

if sys.platform != "win32":
    import resource

SPARE_BYTES = 2**27
"""What the library may take beyond the file and its unpacked chunks."""
SECONDS = 60
"""Of processor time for one file; 8192x8192 pixels take 5."""

# What h5py raises on damaged files.
_DAMAGE = (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, AttributeError, MemoryError)


def serve(requests: socket.socket) -> None:
    """Answer every socket that comes through `requests` in a process of its own, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system takes the dead away
    while (received := socket.recv_fds(requests, 1, 1))[0]:
        (descriptor,) = received[1]
        if os.fork() == 0:
            try:
                requests.close()
                with socket.socket(fileno=descriptor) as connection:
                    answer(connection)
            finally:
                os._exit(0)
        os.close(descriptor)


def answer(connection: socket.socket) -> None:
    """Read one file from `connection` and answer with its dataset or with what is wrong."""
    with connection.makefile("rb") as stream:
        name, length = REQUEST.unpack(stream.read(REQUEST.size))
        _limit_memory(length)
        data = stream.read(length)
    name = name.rstrip(b"\0").decode()

    def send(kind: bytes, content: bytes | memoryview) -> None:
        connection.sendall(MESSAGE.pack(kind, len(content)))
        connection.sendall(content)

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            send(b"S", SIZE.pack(*find_size(file, name)))
            for strip in read_strips(file, name, lambda size: _limit_memory(length + size)):
                send(b"R", strip.data.cast("B"))
        send(b"E", b"")
    except DatasetError as error:
        send(b"F", str(error).encode())
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        send(b"F", f"HDF5 file is damaged or cut short: {reason:.200}".encode())


def _limit_memory(needed: int) -> None:
    """Let this process take `needed` bytes and SPARE_BYTES beyond what it began with."""
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _BEGAN_WITH:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = _BEGAN_WITH + needed + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def _address_space() -> int:
    """Return the bytes of address space of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


_BEGAN_WITH = _address_space()
