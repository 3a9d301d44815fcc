"""Files that appear under their final name only when they are complete."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from flowcli.errors import OutputError

# Temporary files start like this and keep the suffix of the file they become: a crash leaves nothing else behind.
TEMPORARY_PREFIX = ".flowcli-"
_LONGEST_SUFFIX = 16
# Follows the prefix where several processes write into one folder, each of which tidies up after itself.
_owner: ContextVar[str] = ContextVar("owner", default="")


@contextmanager
def mark_temporary_files(owner: str) -> Iterator[None]:
    """Give the temporary files of the block names that begin with the prefix, `owner` and a dot."""
    before = _owner.get()
    _owner.set(f"{owner}." if owner else "")
    try:
        yield
    finally:
        _owner.set(before)


def find_temporary_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield every temporary file or folder below `folder`, with its owner, or an empty text if it has none."""
    # Unlike rglob, walk bears with folders that others remove meanwhile.
    for place, folders, names in os.walk(folder):
        unfinished = [name for name in folders if name.startswith(TEMPORARY_PREFIX)]
        folders[:] = [name for name in folders if name not in unfinished]
        for name in [*names, *unfinished]:
            if name.startswith(TEMPORARY_PREFIX):
                owner, dot, _ = name[len(TEMPORARY_PREFIX) :].partition(".")
                # A name of random digits alone: its dot is that of the suffix.
                yield Path(place, name), owner if dot and "-" in owner else ""


@contextmanager
def replace_when_complete(path: str | Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Yield a fresh path in the folder of `path`, and give it the final name when the block ends well.

    With `is_folder` the block makes a folder; one that is at `path` before goes when the new one is complete. The
    temporary path has the suffix of `path` and does not exist yet, so the file gets the user's usual permissions.
    A symbolic link at `path` keeps pointing where it did; its target is replaced. If the block raises, the temporary
    file is removed and whatever was at `path` before stays as it was.

    Raises:
        OutputError: the operating system refused (no folder, no permission, disk full, `path` is a folder).
    """
    final = Path(os.path.realpath(path))
    # A name of its own: the final one may already be as long as the file system allows, and what follows its last dot
    # nearly so. Suffixes that say a format are short.
    suffix = final.suffix if len(final.suffix) <= _LONGEST_SUFFIX else ""
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{_owner.get()}{secrets.token_hex(8)}{suffix}")
    try:
        yield temporary
        if is_folder and final.is_dir():
            # A name of a folder cannot be given to another at once; what was there goes in the moment between.
            before = final.with_name(f"{temporary.stem}-before{suffix}")
            final.rename(before)
            temporary.rename(final)
            shutil.rmtree(before, ignore_errors=True)
            return
        if final.is_dir():
            raise OutputError(f"{path}: expected a file name, found a folder; give the file's full name")
        temporary.replace(final)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        # After a success the name is gone already; after a failure the folder itself may be.
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically.

    Raises:
        OutputError: see `replace_when_complete`.
    """
    with replace_when_complete(path) as temporary:
        temporary.write_bytes(data)


def check_writable(path: str | Path, overwrite: bool, *, is_folder: bool = False) -> None:
    """Raise OutputError if writing the file `path` is bound to fail; called before any work is done.

    Args:
        path: the file to be written; its folder must exist and be writable.
        overwrite: whether a file that is already there may be replaced.
        is_folder: whether what is to be written is a folder itself.
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir() and not is_folder:
        raise OutputError(f"{path}: expected a file name, found a folder; give the file's full name")
    # Asked first and explained after: another program may remove the folder in between.
    writable = os.access(folder, os.W_OK | os.X_OK)
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist; create it first")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: already exists; use --overwrite to replace it")
    if not writable:
        raise OutputError(f"{path}: the folder {folder} is not writable")
