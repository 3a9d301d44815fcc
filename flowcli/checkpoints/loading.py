"""From a model's name or a file to a checkpoint, whatever layout the file has."""

from __future__ import annotations

from pathlib import Path

from flowcli.checkpoints.checkpoint import Checkpoint
from flowcli.checkpoints.native import read_native
from flowcli.checkpoints.store import locate


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Read the weights of a known model, or of a file.

    Raises:
        WeightsError: unknown, absent, damaged, or of another network.
    """
    return read_native(locate(name_or_path))
