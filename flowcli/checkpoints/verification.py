"""Is a file of weights whole, and is it what was published?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowcli.checkpoints.loading import load_checkpoint
from flowcli.checkpoints.manifest import KNOWN, find_published
from flowcli.checkpoints.native import check_digest, is_native
from flowcli.checkpoints.store import locate
from flowcli.errors import WeightsError
from flowcli.model.config import PERCEIVER_IO, ModelConfig


@dataclass(frozen=True)
class Verdict:
    """What verification found; a damaged file raises instead.

    Attributes:
        path: the file.
        sha256: its digest.
        finding: one line for people.
    """

    path: Path
    sha256: str
    finding: str


def verify(name_or_path: str | Path, *, published: ModelConfig = PERCEIVER_IO) -> Verdict:
    """Read every tensor of the file and compare digests: its own, or the published ones.

    Raises:
        WeightsError: the file is absent or damaged, or lies under a known name without being the published one.
    """
    path = locate(name_or_path)
    checkpoint = load_checkpoint(path, published=published)
    origin = find_published(checkpoint.sha256)
    if is_native(path):
        check_digest(path)
        return Verdict(path, checkpoint.sha256, "complete, as written by flowcli")
    if origin:
        return Verdict(path, checkpoint.sha256, f"as published ({origin.layout})")
    if name_or_path in KNOWN:
        raise WeightsError(
            f"{path}: expected a published file of {name_or_path}, found sha256 {checkpoint.sha256[:12]}...; fetch it "
            f"again with: flowcli weights pull {name_or_path} --overwrite"
        )
    return Verdict(path, checkpoint.sha256, f"complete, but of unknown origin ({checkpoint.metadata['layout']})")
