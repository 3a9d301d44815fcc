"""One batch per output folder: a lock that the operating system drops when its process dies, however it dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowcli.errors import OutputError


@contextmanager
def hold_folder(folder: Path, lock: Path) -> Iterator[None]:
    """Hold the lock file `lock` for `folder` until the block ends.

    The file stays where it is: removing it would let two processes hold two files of one name.

    Raises:
        OutputError: another process holds it, or it cannot be made.
    """
    try:
        # Not inherited by worker processes: a lock must not outlive the process that asked for it.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"{lock}: cannot be made: {error.strerror or error}") from error
    try:
        if not _try_lock(descriptor):
            holder = os.pread(descriptor, 20, 1).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
            raise OutputError(
                f"{folder}: another batch is writing there{f' (process {holder})' if holder else ''}; "
                "wait for it, or name another folder with -o"
            )
        # The first byte carries the lock, which on Windows keeps others from reading it.
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
