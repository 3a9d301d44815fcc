"""One batch per output folder: locks that the operating system drops when their process dies, however it dies.

The parts of one batch hold a lock each and let each other be, as long as they agree on the number of parts and on the
inputs: then no two of them have an item in common. Everything else is another batch, and refused.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.jobs.shard import WHOLE, Shard

# Others look at a lock by holding it for an instant; a lock held for longer is in use. In seconds.
PATIENCE = 0.5
_LOOK_AGAIN = 0.02


@dataclass(frozen=True)
class _Holder:
    process: str = ""
    machine: str = ""
    plan: str = ""

    def __str__(self) -> str:
        return f" (process {self.process} on {self.machine})" if self.machine else ""


@contextmanager
def hold_folder(folder: Path, state: Path, shard: Shard = WHOLE, plan: str = "") -> Iterator[None]:
    """Hold `folder` for one part of a batch until the block ends.

    The lock files stay where they are: removing one would let two processes hold two files of one name.

    Args:
        folder: for the message.
        state: the folder for the lock files.
        shard: the part; WHOLE excludes everybody else.
        plan: a word without spaces for the inputs; parts with another one are refused.

    Raises:
        OutputError: another batch, or the same part of this one, is at work; or the lock cannot be made.
    """
    path = state / f"lock{'-' if shard.mark else ''}{shard.mark}"
    try:
        # Not inherited by worker processes: a lock must not outlive the process that asked for it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {error.strerror or error}") from error
    try:
        if not _try_lock(descriptor, PATIENCE):
            raise OutputError(
                f"{folder}: another batch is writing there{_read_holder(descriptor)}; "
                "wait for it, or name another folder with -o"
            )
        # The first byte carries the lock, which on Windows keeps others from reading it.
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()} {platform.node() or 'unknown'} {plan}\n".encode())
        os.fsync(descriptor)
        # After its own lock is held: of two that start at once, at least one sees the other.
        for other in sorted(state.glob("lock*")):
            if other != path:
                _refuse_stranger(folder, other, shard, plan)
        yield
    finally:
        os.close(descriptor)


def _refuse_stranger(folder: Path, lock: Path, shard: Shard, plan: str) -> None:
    sibling = not shard.owns(lock.name.removeprefix("lock").removeprefix("-"))
    # A part that starts at this moment holds its lock, and is about to write its plan into it.
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = os.open(lock, os.O_RDWR)
        try:
            holder = _read_holder(descriptor)
            if (sibling and holder.plan == plan) or _try_lock(descriptor):
                return
        finally:
            os.close(descriptor)
        if time.monotonic() > deadline:
            break
        time.sleep(_LOOK_AGAIN)
    if sibling:
        raise OutputError(
            f"{folder}: another part of {shard.count} is at work there on other inputs{holder}; "
            "give all parts the same inputs, in the same order"
        )
    raise OutputError(f"{folder}: another batch is writing there{holder}; wait for it, or name another folder with -o")


def _read_holder(descriptor: int) -> _Holder:
    os.lseek(descriptor, 1, os.SEEK_SET)
    words = os.read(descriptor, 1000).decode("utf-8", "replace").split()
    os.lseek(descriptor, 0, os.SEEK_SET)
    return _Holder(*words[:3])


def _try_lock(descriptor: int, patience: float = 0) -> bool:
    deadline = time.monotonic() + patience
    while not _lock_now(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _lock_now(descriptor: int) -> bool:
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
