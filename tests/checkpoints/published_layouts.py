"""What the tests of the readers share: writers of the published layouts, spelled out by hand, and an attack."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flowcli.checkpoints import load_checkpoint
from flowcli.errors import WeightsError
from flowcli.model.config import ModelConfig
from flowcli.model.perceiver import CrossBlock, PerceiverFlow, SelfBlock

# As small as the published layouts allow: 64 features, 64 bands and 2 cross-attentions of one head are fixed in them.
SMALL = ModelConfig(
    tile=(12, 16), features=64, position_bands=64, latents=6, latent_width=16, layers=12, heads=4, flow_scale=0.2
)

# Smaller still, where the layout does not matter.
MINI = ModelConfig(tile=(4, 4), features=4, position_bands=2, latents=2, latent_width=4, layers=1, heads=1)


def random_model(config: ModelConfig = SMALL, seed: int = 0) -> PerceiverFlow:
    """A network whose every value is random; the output layer starts at zero otherwise."""
    torch.manual_seed(seed)
    model = PerceiverFlow(config).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.normal_(0, 0.3)
    return model


def random_frames(config: ModelConfig = SMALL, batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    frame1, frame2 = torch.rand(2, batch, 3, *config.tile, generator=generator) * 2 - 1
    return frame1, frame2


def run(model: PerceiverFlow) -> Tensor:
    with torch.inference_mode():
        return model(*random_frames(model.config))


def _put(tensors: dict[str, Tensor], name: str, module: nn.Module) -> None:
    tensors[f"{name}.weight"] = module.get_parameter("weight").detach().clone()
    tensors[f"{name}.bias"] = module.get_parameter("bias").detach().clone()


def huggingface_tensors(model: PerceiverFlow) -> dict[str, Tensor]:
    tensors = {"perceiver.embeddings.latents": model.encoder.latents.detach().clone()}
    _put(tensors, "perceiver.input_preprocessor.conv_after_patches", model.pixels.linear)

    def put_block(name: str, block: CrossBlock | SelfBlock) -> None:
        if isinstance(block, CrossBlock):
            _put(tensors, f"{name}.attention.self.layernorm1", block.query_norm)
            _put(tensors, f"{name}.attention.self.layernorm2", block.input_norm)
        else:
            _put(tensors, f"{name}.attention.self.layernorm1", block.norm)
        for part in ("query", "key", "value"):
            _put(tensors, f"{name}.attention.self.{part}", getattr(block.attention, part))
        _put(tensors, f"{name}.attention.output.dense", block.attention.output)
        _put(tensors, f"{name}.layernorm", block.mlp_norm)
        _put(tensors, f"{name}.mlp.dense1", block.mlp.expand)
        _put(tensors, f"{name}.mlp.dense2", block.mlp.contract)

    put_block("perceiver.encoder.cross_attention", model.encoder.cross)
    for index, layer in enumerate(model.encoder.layers):
        put_block(f"perceiver.encoder.self_attends.{index}", layer)
    put_block("perceiver.decoder.decoder.decoding_cross_attention", model.decoder.cross)
    _put(tensors, "perceiver.decoder.decoder.final_layer", model.decoder.output)
    return tensors


def jobr0_tensors(model: PerceiverFlow, word: str = "__default") -> dict[str, Tensor]:
    top = "perceiver"
    tensors = {
        f"{top}.padding_embeddings.{word}.pos_embs": torch.empty(1, 0),
        f"{top}._encoder.latent_pos_enc.pos_embs": model.encoder.latents.detach().clone(),
    }
    _put(tensors, f"{top}._multi_preprocessor._preprocessors.{word}._conv_after_patch_layer", model.pixels.linear)

    def put_block(name: str, block: CrossBlock | SelfBlock) -> None:
        if isinstance(block, CrossBlock):
            _put(tensors, f"{name}.layer_norm_q", block.query_norm)
            _put(tensors, f"{name}.layer_norm_kv", block.input_norm)
        else:
            _put(tensors, f"{name}.layer_norm1", block.norm)
        _put(tensors, f"{name}.layer_norm2", block.mlp_norm)
        _put(tensors, f"{name}.attention.proj_q", block.attention.query)
        _put(tensors, f"{name}.attention.proj_k", block.attention.key)
        _put(tensors, f"{name}.attention.proj_v", block.attention.value)
        _put(tensors, f"{name}.attention.final", block.attention.output)
        _put(tensors, f"{name}.mlp.fc1", block.mlp.expand)
        _put(tensors, f"{name}.mlp.fc2", block.mlp.contract)

    put_block(f"{top}._encoder.cross_attend", model.encoder.cross)
    for index, layer in enumerate(model.encoder.layers):
        put_block(f"{top}._encoder.self_attends.{index}", layer)
    put_block(f"{top}._decoder.decoding_cross_attn", model.decoder.cross)
    _put(tensors, f"{top}._decoder.final_layer", model.decoder.output)
    return tensors


def krasserm_tensors(model: PerceiverFlow, encoder: str = "0", decoder: str = "1") -> dict[str, Tensor]:
    encoder, decoder = f"backend_model.{encoder}", f"backend_model.{decoder}"
    tensors = {
        f"{encoder}.latent_provider._query": model.encoder.latents.detach().clone(),
        f"{encoder}.input_adapter.position_encoding.position_encoding": model.positions.clone(),
    }
    _put(tensors, f"{encoder}.input_adapter.linear", model.pixels.linear)

    def put_block(name: str, attention: str, block: CrossBlock | SelfBlock) -> None:
        if isinstance(block, CrossBlock):
            _put(tensors, f"{name}.{attention}.q_norm", block.query_norm)
            _put(tensors, f"{name}.{attention}.kv_norm", block.input_norm)
        else:
            _put(tensors, f"{name}.{attention}.norm", block.norm)
        for part in ("query", "key", "value", "output"):
            _put(tensors, f"{name}.{attention}.attention.{part[0]}_proj", getattr(block.attention, part))
        _put(tensors, f"{name}.1.module.0", block.mlp_norm)
        _put(tensors, f"{name}.1.module.1", block.mlp.expand)
        _put(tensors, f"{name}.1.module.3", block.mlp.contract)

    put_block(f"{encoder}.cross_attn_1", "0.module", model.encoder.cross)
    for index, layer in enumerate(model.encoder.layers):
        put_block(f"{encoder}.self_attn_1.{index}", "0.module", layer)
    put_block(f"{decoder}.cross_attn", "0", model.decoder.cross)
    _put(tensors, f"{decoder}.output_adapter.linear", model.decoder.output)
    return tensors


def haiku_parameters(model: PerceiverFlow) -> dict[str, dict[str, np.ndarray]]:
    parameters: dict[str, dict[str, np.ndarray]] = {}

    def linear(name: str, module: nn.Module) -> None:
        weight, bias = module.get_parameter("weight").detach(), module.get_parameter("bias").detach()
        parameters[name] = {"w": weight.numpy().T.copy(), "b": bias.numpy().copy()}

    def norm(name: str, module: nn.Module) -> None:
        weight, bias = module.get_parameter("weight").detach(), module.get_parameter("bias").detach()
        parameters[name] = {"scale": weight.numpy().copy(), "offset": bias.numpy().copy()}

    def block(name: str, block: CrossBlock | SelfBlock) -> None:
        norms = [block.query_norm, block.input_norm] if isinstance(block, CrossBlock) else [block.norm]
        for index, module in enumerate([*norms, block.mlp_norm]):
            norm(f"{name}/layer_norm{f'_{index}' if index else ''}", module)
        attention = block.attention
        for index, module in enumerate((attention.query, attention.key, attention.value, attention.output)):
            linear(f"{name}/attention/linear{f'_{index}' if index else ''}", module)
        linear(f"{name}/mlp/linear", block.mlp.expand)
        linear(f"{name}/mlp/linear_1", block.mlp.contract)

    linear("image_preprocessor/patches_linear", model.pixels.linear)
    latents = model.encoder.latents.detach().numpy().copy()
    parameters["perceiver_encoder/~/trainable_position_encoding"] = {"pos_embs": latents}
    block("perceiver_encoder/~/cross_attention", model.encoder.cross)
    for index, layer in enumerate(model.encoder.layers):
        block(f"perceiver_encoder/~/self_attention{f'_{index}' if index else ''}", layer)
    block("flow_decoder/~/basic_decoder/cross_attention", model.decoder.cross)
    linear("flow_decoder/~/basic_decoder/output", model.decoder.output)
    return parameters


def write_haiku(
    path: Path, parameters: object, monkeypatch: pytest.MonkeyPatch, protocol: int = 4, class_name: str = "FlatMapping"
) -> None:
    """Pickle `parameters` with a class of the name and the reduction of haiku's; haiku itself is not needed."""
    for name in ("haiku", "haiku._src", "haiku._src.data_structures"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    mapping_class = type(
        class_name,
        (),
        {
            "__module__": "haiku._src.data_structures",
            "__init__": lambda self, mapping: setattr(self, "mapping", mapping),
            "__reduce__": lambda self: (type(self), (self.mapping,)),
        },
    )
    setattr(sys.modules["haiku._src.data_structures"], class_name, mapping_class)
    if isinstance(parameters, dict):
        nested = {
            name: mapping_class(value) if isinstance(value, dict) else value for name, value in parameters.items()
        }
        parameters = mapping_class(nested)
    path.write_bytes(pickle.dumps(parameters, protocol=protocol))


class Touch:
    """Creates a file when unpickled by anything that trusts pickles."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def refuse(path: Path, complaint: str) -> None:
    with pytest.raises(WeightsError, match=complaint) as caught:
        load_checkpoint(path, published=SMALL)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
