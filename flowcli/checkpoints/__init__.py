"""Files of weights -> configuration and tensors, and back: our own safetensors and the published layouts.

The public names are resolved on first use: listing or fetching weights must not pay for importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowcli.checkpoints.checkpoint import Checkpoint, build_model
    from flowcli.checkpoints.loading import load_checkpoint
    from flowcli.checkpoints.native import save_checkpoint

__all__ = ["Checkpoint", "build_model", "load_checkpoint", "save_checkpoint"]

_HOMES = {
    "Checkpoint": "checkpoint",
    "build_model": "checkpoint",
    "load_checkpoint": "loading",
    "save_checkpoint": "native",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
