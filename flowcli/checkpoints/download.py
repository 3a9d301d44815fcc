"""Fetching published weights: from the first place that has them, verified, under their name only when complete.

No other code of flowcli goes online by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowcli.checkpoints.digest import compute_sha256
from flowcli.checkpoints.hugging_face import find_cached, resolve_url
from flowcli.checkpoints.manifest import COARSE, EMBEDDED, KNOWN, KnownFile
from flowcli.checkpoints.store import embedded_path, stored_path
from flowcli.checkpoints.transfer import ProgressBar, Transfer
from flowcli.errors import OutputError, WeightsError
from flowcli.io.atomic import TEMPORARY_PREFIX, check_writable, replace_when_complete

__all__ = ["ProgressBar", "pull"]


def pull(
    name: str,
    *,
    overwrite: bool = False,
    bar: Callable[[], ProgressBar] | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> Path:
    """Bring the weights called `name` into the weights folder, as published; return their file.

    Nothing is fetched if a published file is there already, or in the user's cache of Hugging Face files. Otherwise the
    published files are tried in turn. A transfer that was cut off goes on where it stopped.

    Args:
        name: a key of `manifest.KNOWN`.
        overwrite: replace a file of that name with other content.
        bar: makes the progress bar, which counts bytes; called only if something is fetched.
        notify: is told in one line why a file could not be had, if there is another to try.

    Raises:
        WeightsError: the name is unknown, no file can be had, or none is the published one.
        OutputError: the weights folder cannot be written, or other weights of that name are there.
    """
    if name in (EMBEDDED, COARSE):
        return embedded_path(name)
    if name not in KNOWN:
        raise WeightsError(f"{name}: expected one of {', '.join(KNOWN)}; other weights come with: weights import FILE")
    files, path = KNOWN[name].files, stored_path(name)
    if _is_published(path, files):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror or error}") from error
    check_writable(path, overwrite)
    with _alone(path.parent / f"{TEMPORARY_PREFIX}{name}.lock"):
        # Another process may just have done it.
        if not _is_published(path, files) and not any(_take_cached(file, path) for file in files):
            _fetch_any(name, files, path, bar, notify)
    return path


def _is_published(path: Path, files: tuple[KnownFile, ...]) -> bool:
    return path.is_file() and compute_sha256(path) in {file.sha256 for file in files}


def _take_cached(file: KnownFile, path: Path) -> bool:
    for found in find_cached(file.url, file.sha256):
        with suppress(OSError):
            if compute_sha256(found) == file.sha256:
                with replace_when_complete(path) as temporary:
                    shutil.copyfile(found, temporary)
                return True
    return False


def _fetch_any(
    name: str,
    files: tuple[KnownFile, ...],
    path: Path,
    bar: Callable[[], ProgressBar] | None,
    notify: Callable[[str], None],
) -> None:
    faults: list[str] = []
    for file in files:
        partial = _partial(path.parent, file)
        shown = bar() if bar else None
        try:
            Transfer(resolve_url(file.url), partial, file.megabytes, shown).fetch(file.sha256)
        except WeightsError as error:
            faults.append(str(error))
            if file is not files[-1]:
                notify(f"{error}; trying the next published file")
            continue
        finally:
            if shown is not None:
                shown.close()
        with replace_when_complete(path) as temporary:
            partial.replace(temporary)
        for other in files:
            _partial(path.parent, other).unlink(missing_ok=True)
        return
    kept = " (what came is kept)" if any(_partial(path.parent, file).exists() for file in files) else ""
    raise WeightsError(
        f"{name}: {'; '.join(faults)}; try again{kept}, or get a file by other means and run: "
        "flowcli weights import FILE"
    )


def _partial(folder: Path, file: KnownFile) -> Path:
    # By its digest: what is published elsewhere tomorrow can still go on with it.
    return folder / f"{TEMPORARY_PREFIX}{file.sha256[:16]}.partial"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches the same; where the file system has no locks, the digest has to do."""
    from filelock import FileLock

    # The file stays: removing it would let two processes hold two files of one name.
    lock = FileLock(path)
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
