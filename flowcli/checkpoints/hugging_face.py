"""Hugging Face's conventions, as far as fetching weights needs them: the mirror that users name, and their cache.

Environment: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables. Layout of the cache:
https://huggingface.co/docs/huggingface_hub/guides/manage-cache. Files that its library fetched are taken from there;
nothing is written into it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flowcli.errors import WeightsError

HUB = "https://huggingface.co"
ENDPOINT_VARIABLE = "HF_ENDPOINT"


def resolve_url(url: str) -> str:
    """Return where a published file is to be had: a file of the hub at the user's mirror, if one is named.

    Raises:
        WeightsError: the mirror is no address.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "").rstrip("/")
    if not endpoint or not url.startswith(f"{HUB}/"):
        return url
    if not re.match(r"https?://[^/]", endpoint):
        raise WeightsError(f"{ENDPOINT_VARIABLE}: expected an address such as https://hf-mirror.com, got {endpoint}")
    return endpoint + url.removeprefix(HUB)


def find_cached(url: str, sha256: str) -> Iterator[Path]:
    """Yield the files of the user's cache that may be the one at `url`; their content is for the caller to check.

    Args:
        url: of a file of the hub, `HUB/OWNER/NAME/resolve/REVISION/FILE`; of others nothing is found.
        sha256: its digest, by which the cache calls large files.
    """
    parsed = re.fullmatch(rf"{re.escape(HUB)}/([^/]+)/([^/]+)/resolve/[^/]+/(.+)", url)
    if parsed is None:
        return
    owner, name, file = parsed.groups()
    folder = hub_cache() / f"models--{owner}--{name}"
    try:
        # Where links are not to be had, snapshots hold the files themselves.
        candidates = [folder / "blobs" / sha256, *sorted(folder.glob(f"snapshots/*/{file}"))]
        yield from (path for path in candidates if path.is_file())
    except OSError:  # a cache that cannot be read has nothing to give
        return


def hub_cache() -> Path:
    """Return the folder of the user's cache; it need not exist."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(folder).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(general).expanduser() / "huggingface" / "hub"
