"""What `flowcli info FILE` says about a checkpoint."""

from __future__ import annotations

from pathlib import Path

# The endings of files of weights; what is inside decides which layout it is.
CHECKPOINT_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pystate", ".index.json")
_LONGEST = 200


def describe_checkpoint(path: Path) -> dict[str, object]:
    """Return what a checkpoint holds, as JSON-able facts; nothing in it is run.

    Raises:
        WeightsError: damaged, or of another network.
    """
    from dataclasses import asdict

    from flowcli.checkpoints.loading import load_checkpoint
    from flowcli.checkpoints.manifest import KNOWN

    found = load_checkpoint(path)
    files = found.shards or (found.path,)
    known = [name for name, row in KNOWN.items() if found.sha256 in {file.sha256 for file in row.files}]
    return {
        "file": str(path),
        "holds": "checkpoint",
        "known_as": known[0] if known else None,
        "sha256": found.sha256,
        "bytes": sum(file.stat().st_size for file in files),
        "files": len(files),
        "tensors": len(found.tensors),
        "parameters": sum(tensor.numel() for tensor in found.tensors.values()),
        "network": {key: value for key, value in asdict(found.config).items() if value is not None},
        "says": {key: value[:_LONGEST] for key, value in found.metadata.items()},
    }
