"""Hugging Face's PerceiverForOpticalFlow with the weights of our reference network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flowcli.checkpoints.key_maps import KEY_MAPS
from flowcli.errors import EngineError, InputError
from flowcli.model.config import PERCEIVER_IO
from flowcli.model.features import extract_patches
from flowcli.model.perceiver import PerceiverFlow

# What the library's network has no setting for.
FIXED = ("features", "position_bands", "position_nyquist", "decoder_width", "pixel_network", "query_residual")
# The library divides the last layer's output by this number.
THEIR_SCALE = 100


def build_transformers_network(network: PerceiverFlow) -> Callable[[Tensor, Tensor], Tensor]:
    """Copy the weights of a network into transformers'.

    Returns:
        A function of two frames `(B, 3, H, W)` in [-1, 1], flow `(B, 2, H, W)` in pixels, float32; on the network's
        device.

    Raises:
        EngineError: if transformers is not installed.
        InputError: if the library cannot express the network.
    """
    config = network.config
    for name in FIXED:
        if getattr(config, name) != getattr(PERCEIVER_IO, name):
            raise InputError(
                f"expected a network of the published kind for --against transformers, found {name} "
                f"{getattr(config, name)} instead of {getattr(PERCEIVER_IO, name)}; use --model perceiver-io"
            )
    try:
        from transformers import PerceiverConfig, PerceiverForOpticalFlow
    except ImportError:
        raise EngineError(
            "expected transformers for --against transformers, found none; pip install transformers"
        ) from None
    theirs = PerceiverForOpticalFlow(
        PerceiverConfig(
            num_latents=config.latents,
            d_latents=config.latent_width,
            d_model=config.pixel_channels,
            num_self_attends_per_block=config.layers,
            num_self_attention_heads=config.heads,
            num_cross_attention_heads=1,
            train_size=list(config.tile),
            hidden_act="gelu_pytorch_tanh" if config.gelu == "tanh" else "gelu",
        )
    ).eval()
    names = KEY_MAPS["huggingface"].names(config.layers)
    tensors = {names[name]: tensor for name, tensor in network.state_dict().items() if name in names}
    theirs.load_state_dict(tensors)
    # Where the weights come from.
    theirs.to(next(network.parameters()).device)  # pyright: ignore[reportArgumentType]  # its decorator hides self

    @torch.inference_mode()
    def estimate(frame1: Tensor, frame2: Tensor) -> Tensor:
        # (B, H*W, 54) to what the library asks for: (B, 2, 27, H, W).
        patches = extract_patches(frame1, frame2).transpose(1, 2).unflatten(2, config.tile).unflatten(1, (2, 27))
        return theirs(inputs=patches).logits.permute(0, 3, 1, 2) * (THEIR_SCALE * config.flow_scale)

    return estimate
