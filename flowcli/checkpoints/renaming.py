"""From the tensor names of a published file to ours, driven by the tables of `key_maps`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from flowcli.checkpoints.key_maps import KEY_MAPS, KeyMap
from flowcli.errors import WeightsError

_COMPILED = "_orig_mod."
_WRAPPERS = ("module.", "model.", "network.", "net.")


def unwrap_names(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors without what wrappers put before their names, if they all have it.

    `module.` is DataParallel's, `_orig_mod.` that of `torch.compile` (which may wrap parts of a network), and `model.`,
    `network.` and `net.` what programs call the network that they train.

    Raises:
        WeightsError: two names become one.
    """
    names = {name: name.replace(_COMPILED, "") for name in tensors}
    while names and (word := next((w for w in _WRAPPERS if all(n.startswith(w) for n in names.values())), None)):
        names = {name: short.removeprefix(word) for name, short in names.items()}
    if len(set(names.values())) < len(names):
        raise WeightsError(f"{path}: two tensors claim the same place in the network; they differ in {_COMPILED} alone")
    return {short: tensors[name] for name, short in names.items()}


def recognise_key_map(names: Iterable[str], path: Path) -> KeyMap:
    """Find the key map that most of `names` belong to.

    Raises:
        WeightsError: they belong to none.
    """
    names = list(names)

    def count_known(key_map: KeyMap) -> int:
        known = set(key_map.names(layers=1).values())
        return sum(key_map.spell(name) in known for name in names)

    key_map = max(KEY_MAPS.values(), key=count_known)
    if not count_known(key_map):
        example = f"such as {sorted(names)[0]!r:.100}" if names else "and holds none at all"
        raise WeightsError(f"{path}: the tensors are not those of a Perceiver IO flow network, {example}")
    return key_map


def rename(tensors: Mapping[str, Tensor], key_map: KeyMap, layers: int, path: Path) -> dict[str, Tensor]:
    """Give the tensors of a file their canonical names and layouts.

    Raises:
        WeightsError: a tensor is missing, is there twice, or has no place; the message has the file's own name for it.
    """
    spelled: dict[str, str] = {}  # the key map's spelling -> the file's
    for name in tensors:
        spelling = key_map.spell(name)
        if spelling in spelled:
            raise WeightsError(
                f"{path}: tensors {spelled[spelling]!r:.100} and {name!r:.100} claim the same place in the network"
            )
        if spelling is not None:
            spelled[spelling] = name
    names = key_map.names(layers)
    if missing := sorted(set(names.values()) - spelled.keys()):
        raise WeightsError(
            f"{path}: tensor {missing[0]} is missing; a network of {layers} layers in the layout of {key_map.title} "
            "needs it"
        )
    if extra := sorted(spelled[name] for name in spelled.keys() - set(names.values())):
        raise WeightsError(f"{path}: tensor {extra[0]!r:.100} has no place in a network of {layers} layers")
    renamed = {canonical: tensors[spelled[foreign]] for canonical, foreign in names.items()}
    if key_map.transposed:
        return {
            name: tensor.T if tensor.ndim == 2 and name.endswith(".weight") else tensor
            for name, tensor in renamed.items()
        }
    return renamed
