"""The names that one code base gives to the tensors of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KeyMap:
    """Canonical names are those of `PerceiverFlow.state_dict()`; the values here are the file's names.

    Attributes:
        title: what wrote such files, for people.
        stages: name of "encoder.cross", "encoder.layers.{i}" and "decoder.cross". Layer i is `{i}`; haiku numbers
            repeated modules "", "_1", "_2", ...: `{_i}`.
        cross_norms: name, below a cross-attention's stage, of "query_norm", "input_norm" and "mlp_norm".
        layer_norms: name, below a latent layer, of "norm" and "mlp_norm".
        linears: name, below a stage, of the four maps of "attention." and the two of "mlp.".
        ends: name of "pixels.linear" and "decoder.output".
        latents: name of "encoder.latents".
        separator: what stands between a stage and a module.
        linear: endings of weight and bias of a linear map.
        norm: endings of weight and bias of a LayerNorm.
        spellings: (pattern, replacement): what differs between versions of the code base, brought to the names above.
        ignored: patterns of constants that the network computes itself.
        transposed: matrices of linear maps are (inputs, outputs); torch has (outputs, inputs).
    """

    title: str
    stages: Mapping[str, str]
    cross_norms: Mapping[str, str]
    layer_norms: Mapping[str, str]
    linears: Mapping[str, str]
    ends: Mapping[str, str]
    latents: str
    separator: str = "."
    linear: tuple[str, str] = (".weight", ".bias")
    norm: tuple[str, str] = (".weight", ".bias")
    spellings: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    transposed: bool = False

    def names(self, layers: int) -> dict[str, str]:
        """Map every canonical tensor name of a network with `layers` latent layers to its name in the file."""
        names = {"encoder.latents": self.latents}

        def add(canonical: str, foreign: str, endings: tuple[str, str]) -> None:
            names[f"{canonical}.weight"] = foreign + endings[0]
            names[f"{canonical}.bias"] = foreign + endings[1]

        for canonical, foreign in self.ends.items():
            add(canonical, foreign, self.linear)
        for stage, stage_name in self.stages.items():
            is_layer = "{i}" in stage
            for index in range(layers) if is_layer else [0]:
                position = {"i": index, "_i": f"_{index}" if index else ""}
                here, there = stage.format(**position), stage_name.format(**position)
                for module, name in (self.layer_norms if is_layer else self.cross_norms).items():
                    add(f"{here}.{module}", f"{there}{self.separator}{name}", self.norm)
                for module, name in self.linears.items():
                    add(f"{here}.{module}", f"{there}{self.separator}{name}", self.linear)
        return names

    def spell(self, name: str) -> str | None:
        """Bring a file's name into the spelling of `names`; None for a constant that the network computes itself."""
        for pattern, replacement in self.spellings:
            name = re.sub(pattern, replacement, name)
        return None if any(re.fullmatch(pattern, name) for pattern in self.ignored) else name
