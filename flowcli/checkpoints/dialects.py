"""How the published files name the tensors of one and the same network: data, and the renaming that it drives.

Sources of the names: transformers `PerceiverForOpticalFlow`; google-deepmind/deepmind-research `perceiver/` (haiku);
JOBR0/PerceiverIO_Pytorch; krasserm/perceiver-io 0.11. Canonical names are those of `PerceiverFlow.state_dict()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from flowcli.errors import WeightsError


class Names(NamedTuple):
    """One module's name in each dialect, below its stage; a field per column."""

    huggingface: str
    haiku: str
    jobr0: str
    krasserm: str


TITLES = Names(
    "Hugging Face PerceiverForOpticalFlow",
    "DeepMind haiku parameters",
    "JOBR0/PerceiverIO_Pytorch",
    "krasserm/perceiver-io",
)

# Layer i is `{i}`; haiku numbers repeated modules "", "_1", "_2", ...: `{_i}`.
STAGES = {
    "encoder.cross": Names(
        "perceiver.encoder.cross_attention",
        "perceiver_encoder/~/cross_attention",
        "perceiver._encoder.cross_attend",
        "encoder.cross_attn_1",
    ),
    "encoder.layers.{i}": Names(
        "perceiver.encoder.self_attends.{i}",
        "perceiver_encoder/~/self_attention{_i}",
        "perceiver._encoder.self_attends.{i}",
        "encoder.self_attn_1.{i}",
    ),
    "decoder.cross": Names(
        "perceiver.decoder.decoder.decoding_cross_attention",
        "flow_decoder/~/basic_decoder/cross_attention",
        "perceiver._decoder.decoding_cross_attn",
        "decoder.cross_attn",
    ),
}
CROSS_NORMS = {
    "query_norm": Names("attention.self.layernorm1", "layer_norm", "layer_norm_q", "0.module.q_norm"),
    "input_norm": Names("attention.self.layernorm2", "layer_norm_1", "layer_norm_kv", "0.module.kv_norm"),
    "mlp_norm": Names("layernorm", "layer_norm_2", "layer_norm2", "1.module.0"),
}
LAYER_NORMS = {
    "norm": Names("attention.self.layernorm1", "layer_norm", "layer_norm1", "0.module.norm"),
    "mlp_norm": Names("layernorm", "layer_norm_1", "layer_norm2", "1.module.0"),
}
LINEARS = {
    "attention.query": Names(
        "attention.self.query", "attention/linear", "attention.proj_q", "0.module.attention.q_proj"
    ),
    "attention.key": Names("attention.self.key", "attention/linear_1", "attention.proj_k", "0.module.attention.k_proj"),
    "attention.value": Names(
        "attention.self.value", "attention/linear_2", "attention.proj_v", "0.module.attention.v_proj"
    ),
    "attention.output": Names(
        "attention.output.dense", "attention/linear_3", "attention.final", "0.module.attention.o_proj"
    ),
    "mlp.expand": Names("mlp.dense1", "mlp/linear", "mlp.fc1", "1.module.1"),
    "mlp.contract": Names("mlp.dense2", "mlp/linear_1", "mlp.fc2", "1.module.3"),
}
ENDS = {
    "pixels.linear": Names(
        "perceiver.input_preprocessor.conv_after_patches",
        "image_preprocessor/patches_linear",
        "perceiver._multi_preprocessor._preprocessors.__default._conv_after_patch_layer",
        "encoder.input_adapter.linear",
    ),
    "decoder.output": Names(
        "perceiver.decoder.decoder.final_layer",
        "flow_decoder/~/basic_decoder/output",
        "perceiver._decoder.final_layer",
        "decoder.output_adapter.linear",
    ),
}
LATENTS = Names(
    "perceiver.embeddings.latents",
    "perceiver_encoder/~/trainable_position_encoding/pos_embs",
    "perceiver._encoder.latent_pos_enc.pos_embs",
    "encoder.latent_provider._query",
)
# (weight, bias) of a linear map and of a LayerNorm.
_TORCH = ((".weight", ".bias"), (".weight", ".bias"))
PARAMETERS = {
    "huggingface": _TORCH,
    "haiku": (("/w", "/b"), ("/scale", "/offset")),
    "jobr0": _TORCH,
    "krasserm": _TORCH,
}
# Spellings that differ between versions of one code base, (pattern, spelling of the tables above).
SPELLINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "huggingface": (),
    "haiku": (),
    "jobr0": ((r"^(perceiver\._multi_preprocessor\._preprocessors\.)\w+\.", r"\1__default."),),
    "krasserm": (
        (r"^backend_model\.", ""),
        (r"^0\.", "encoder."),  # the whole network is an nn.Sequential of encoder and decoder
        (r"^1\.", "decoder."),
        # The decoder has no query residual, so its attention misses the wrapper that adds one.
        (r"^decoder\.cross_attn\.0\.(?!module\.)", "decoder.cross_attn.0.module."),
    ),
}
# Constants that the network computes itself.
IGNORED = {
    "huggingface": (),
    "haiku": (),
    "jobr0": (r"perceiver\.padding_embeddings\.\w+\.pos_embs",),  # shape (1, 0): pads nothing
    "krasserm": (r"encoder\.input_adapter\.position_encoding\.position_encoding",),  # the Fourier positions, 188 MB
}
# Haiku keeps the matrix of a linear map as (inputs, outputs); torch as (outputs, inputs).
TRANSPOSED = {"haiku"}


def name_tensors(dialect: str, layers: int) -> dict[str, str]:
    """Map every canonical tensor name of a network with `layers` latent layers to its name in `dialect`."""
    column = Names._fields.index(dialect)
    linear, norm = PARAMETERS[dialect]
    separator = "/" if dialect == "haiku" else "."
    names = {"encoder.latents": LATENTS[column]}

    def add(canonical: str, foreign: str, suffixes: tuple[str, str]) -> None:
        names[f"{canonical}.weight"] = foreign + suffixes[0]
        names[f"{canonical}.bias"] = foreign + suffixes[1]

    for canonical, foreign in ENDS.items():
        add(canonical, foreign[column], linear)
    for stage, stage_names in STAGES.items():
        is_layer = "{i}" in stage
        for index in range(layers) if is_layer else [0]:
            position = {"i": index, "_i": f"_{index}" if index else ""}
            here, there = stage.format(**position), stage_names[column].format(**position)
            for module, module_names in (LAYER_NORMS if is_layer else CROSS_NORMS).items():
                add(f"{here}.{module}", f"{there}{separator}{module_names[column]}", norm)
            for module, module_names in LINEARS.items():
                add(f"{here}.{module}", f"{there}{separator}{module_names[column]}", linear)
    return names


def spell(dialect: str, name: str) -> str | None:
    """Bring a name into the spelling of the tables; None for a constant that the network computes itself."""
    for pattern, replacement in SPELLINGS[dialect]:
        name = re.sub(pattern, replacement, name)
    return None if any(re.fullmatch(pattern, name) for pattern in IGNORED[dialect]) else name


def recognise_dialect(names: Iterable[str], path: Path) -> str:
    """Find the dialect that most of `names` belong to.

    Raises:
        WeightsError: they belong to none.
    """
    names = list(names)

    def count_known(dialect: str) -> int:
        known = set(name_tensors(dialect, layers=1).values())
        return sum(spell(dialect, name) in known for name in names)

    dialect = max(Names._fields, key=count_known)
    if not count_known(dialect):
        example = f"such as {sorted(names)[0]!r:.100}" if names else "and holds none at all"
        raise WeightsError(f"{path}: the tensors are not those of a Perceiver IO flow network, {example}")
    return dialect


def rename(tensors: Mapping[str, Tensor], dialect: str, layers: int, path: Path) -> dict[str, Tensor]:
    """Give the tensors of a file in `dialect` their canonical names and layouts.

    Raises:
        WeightsError: a tensor is missing, is there twice, or has no place; the message has the file's own name for it.
    """
    spelled: dict[str, str] = {}  # the tables' spelling -> the file's
    for name in tensors:
        spelling = spell(dialect, name)
        if spelling in spelled:
            raise WeightsError(
                f"{path}: tensors {spelled[spelling]!r:.100} and {name!r:.100} claim the same place in the network"
            )
        if spelling is not None:
            spelled[spelling] = name
    names = name_tensors(dialect, layers)
    if missing := sorted(set(names.values()) - spelled.keys()):
        raise WeightsError(
            f"{path}: tensor {missing[0]} is missing; a network of {layers} layers in the layout of "
            f"{TITLES[Names._fields.index(dialect)]} needs it"
        )
    if extra := sorted(spelled[name] for name in spelled.keys() - set(names.values())):
        raise WeightsError(f"{path}: tensor {extra[0]!r:.100} has no place in a network of {layers} layers")
    renamed = {canonical: tensors[spelled[foreign]] for canonical, foreign in names.items()}
    if dialect in TRANSPOSED:
        return {
            name: tensor.T if tensor.ndim == 2 and name.endswith(".weight") else tensor
            for name, tensor in renamed.items()
        }
    return renamed
