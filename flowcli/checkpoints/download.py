"""Fetching published weights: to a temporary name, verified, then renamed. No other code of flowcli goes online."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flowcli.checkpoints.digest import compute_sha256
from flowcli.checkpoints.manifest import COARSE, EMBEDDED, KNOWN, KnownFile
from flowcli.checkpoints.store import embedded_path, stored_path
from flowcli.errors import OutputError, WeightsError
from flowcli.io.atomic import check_writable, replace_when_complete

TIMEOUT = 30.0
"""Seconds without an answer after which a fetch is given up."""


class ProgressBar(Protocol):
    """What a fetch tells: bytes so far, of `total` where the server says how many. tqdm is one."""

    total: float | None

    def update(self, n: float | None = 1, /) -> object:
        """Count `n` more bytes."""

    def close(self) -> object:
        """Take the bar away."""


def pull(name: str, *, overwrite: bool = False, bar: Callable[[], ProgressBar] | None = None) -> Path:
    """Fetch the weights called `name` into the weights folder, as published; return their file.

    Nothing is fetched if the published file is there already.

    Args:
        name: a key of `manifest.KNOWN`.
        overwrite: replace a file of that name with other content.
        bar: makes the progress bar, which counts bytes; called only if something is fetched.

    Raises:
        WeightsError: the name is unknown, the file cannot be had, or it is not the published one.
        OutputError: the weights folder cannot be written, or other weights of that name are there.
    """
    if name in (EMBEDDED, COARSE):
        return embedded_path(name)
    if name not in KNOWN:
        raise WeightsError(f"{name}: expected one of {', '.join(KNOWN)}; other weights come with: weights import FILE")
    file = KNOWN[name].files[0]
    path = stored_path(name)
    if path.is_file() and compute_sha256(path) == file.sha256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror or error}") from error
    check_writable(path, overwrite)
    with replace_when_complete(path) as temporary:
        found = _fetch(file, temporary, bar() if bar else None)
        if found != file.sha256:
            raise WeightsError(
                f"{file.url}: expected sha256 {file.sha256[:12]}..., found {found[:12]}... in "
                f"{temporary.stat().st_size} bytes; nothing was kept, try again"
            )
    return path


def _fetch(file: KnownFile, path: Path, bar: ProgressBar | None) -> str:
    """Stream the file to `path`; return the digest of what came."""
    import requests

    digest = hashlib.sha256()
    limit = 2 * file.megabytes * 10**6  # a server that never ends must not fill the disk
    try:
        with requests.get(file.url, stream=True, timeout=TIMEOUT) as response, path.open("wb") as output:
            response.raise_for_status()
            if bar is not None:
                bar.total = int(response.headers.get("Content-Length", 0)) or None
            for block in response.iter_content(2**20):
                digest.update(block)
                output.write(block)
                if bar is not None:
                    bar.update(len(block))
                if output.tell() > limit:
                    raise WeightsError(
                        f"{file.url}: expected {file.megabytes} MB, found more than twice that; given up"
                    )
    except OSError as error:  # the base of everything that requests raises
        raise WeightsError(
            f"{file.url}: cannot be fetched ({error}); get the file by other means and run: flowcli weights import FILE"
        ) from error
    finally:
        if bar is not None:
            bar.close()
    return digest.hexdigest()
