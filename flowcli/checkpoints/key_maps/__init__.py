"""How the published files name the tensors of one and the same network: a file and a row of the table for each."""

from __future__ import annotations

from flowcli.checkpoints.key_maps.haiku import HAIKU
from flowcli.checkpoints.key_maps.huggingface import HUGGINGFACE
from flowcli.checkpoints.key_maps.jobr0 import JOBR0
from flowcli.checkpoints.key_maps.key_map import KeyMap
from flowcli.checkpoints.key_maps.krasserm import KRASSERM

__all__ = ["KEY_MAPS", "KeyMap"]

KEY_MAPS: dict[str, KeyMap] = {
    "huggingface": HUGGINGFACE,
    "haiku": HAIKU,
    "jobr0": JOBR0,
    "krasserm": KRASSERM,
}
