"""One batch per output folder: locks that end with their process, however it dies (filelock's).

The parts of one batch hold a lock each and let each other be, as long as they agree on the number of parts and on the
inputs: then no two of them have an item in common. Everything else is another batch, and refused.

Some file systems have no locks (Lustre without its option, some FUSE). There a marker file stands for the lock:
filelock removes one that a dead process of this machine left, and one of another machine somebody has to.
"""

from __future__ import annotations

import errno
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import SoftFileLock, Timeout, lock_descriptor

from flowcli.errors import OutputError
from flowcli.jobs.shard import WHOLE, Shard

# Others look at a lock by holding it for an instant; a lock held for longer is in use. In seconds.
PATIENCE = 0.5
_LOOK_AGAIN = 0.02
# What a system call answers where the file system has no locks, or its lock server is not there.
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
_LOCK, _MARKER = "lock", "marker"


@dataclass(frozen=True)
class _Holder:
    process: str = ""
    machine: str = ""
    plan: str = ""

    def __str__(self) -> str:
        return f" (process {self.process} on {self.machine})" if self.machine else ""


@contextmanager
def hold_folder(
    folder: Path,
    state: Path,
    shard: Shard = WHOLE,
    plan: str = "",
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Hold `folder` for one part of a batch until the block ends.

    The lock files stay where they are: removing one would let two processes hold two files of one name.

    Args:
        folder: for the message.
        state: the folder for the lock files.
        shard: the part; WHOLE excludes everybody else.
        plan: a word without spaces for the inputs; parts with another one are refused.
        notify: is told in one line that the file system has no locks.

    Raises:
        OutputError: another batch, or the same part of this one, is at work; or the lock cannot be made.
    """
    path = state / f"{_LOCK}{'-' if shard.mark else ''}{shard.mark}"
    with _open_lock(path) as lock:
        if not lock.take(PATIENCE):
            raise OutputError(f"{folder}: another batch is writing there{lock.holder}; {lock.advice}")
        if lock.marker is not None:
            notify(f"{folder}: this file system can't lock; {lock.marker} keeps other batches out instead")
        lock.sign(plan)
        # After its own lock is held: of two that start at once, at least one sees the other.
        for other in sorted(state.glob(f"{_LOCK}*")):
            if other != path:
                _refuse_stranger(folder, other, shard, plan)
        yield


def _refuse_stranger(folder: Path, path: Path, shard: Shard, plan: str) -> None:
    sibling = not shard.owns(path.name.removeprefix(_LOCK).removeprefix("-"))
    # A part that starts at this moment holds its lock, and is about to write its plan into it.
    deadline = time.monotonic() + PATIENCE
    while True:
        with _open_lock(path) as lock:
            holder, advice = lock.holder, lock.advice
            if (sibling and holder.plan == plan) or lock.take():
                return
        if time.monotonic() > deadline:
            break
        time.sleep(_LOOK_AGAIN)
    if sibling:
        raise OutputError(
            f"{folder}: another part of {shard.count} is at work there on other inputs{holder}; "
            "give all parts the same inputs, in the same order"
        )
    raise OutputError(f"{folder}: another batch is writing there{holder}; {advice}")


@dataclass
class _Lock:
    """An open lock file: the lock itself, and in its text who holds it or held it last.

    Attributes:
        path: of the file.
        descriptor: of the file, not inherited by worker processes: a lock must not outlive who asked for it.
        marker: the file that stands for the lock where the file system has none; None as long as it has.
    """

    path: Path
    descriptor: int
    marker: Path | None = None
    _soft: SoftFileLock | None = field(default=None, init=False)

    def take(self, patience: float = 0) -> bool:
        """Take the lock, or return False if another has it after `patience` seconds; raises OutputError."""
        deadline = time.monotonic() + patience
        while not self._take_now():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_AGAIN)
        return True

    def _take_now(self) -> bool:
        try:
            if self.marker is None:
                return lock_descriptor(self.descriptor, blocking=False)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise _explain(self.path, error) from error
        self.marker = self.path.with_name(self.path.name.replace(_LOCK, _MARKER, 1))
        try:
            soft = SoftFileLock(self.marker, timeout=0, thread_local=False)
            soft.acquire()
        except Timeout:
            return False
        except OSError as error:
            raise _explain(self.marker, error) from error
        self._soft = soft
        return True

    def sign(self, plan: str) -> None:
        """Write into the lock, which is held, who holds it and for what."""
        try:
            # The first byte carries the lock, which on Windows keeps others from reading it.
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            os.write(self.descriptor, f" {os.getpid()} {platform.node() or 'unknown'} {plan}\n".encode())
        except OSError as error:
            raise _explain(self.path, error) from error
        # Sends it to the server of a network file system, where there is one; some have no such call.
        with suppress(OSError):
            os.fsync(self.descriptor)

    @property
    def holder(self) -> _Holder:
        """Who wrote into it last."""
        os.lseek(self.descriptor, 1, os.SEEK_SET)
        return _Holder(*os.read(self.descriptor, 1000).decode("utf-8", "replace").split()[:3])

    @property
    def advice(self) -> str:
        """What to do if another has it."""
        gone = "" if self.marker is None else f" (or, if that process is gone, remove {self.marker})"
        return f"wait for it{gone}, or name another folder with -o"

    def release(self) -> None:
        """Let others have it."""
        try:
            if self._soft is not None:
                self._soft.release()
        finally:
            os.close(self.descriptor)


@contextmanager
def _open_lock(path: Path) -> Iterator[_Lock]:
    try:
        lock = _Lock(path, os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
    except OSError as error:
        raise _explain(path, error) from error
    try:
        yield lock
    finally:
        lock.release()


def _explain(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be made: {error.strerror or error}")
