"""Folded latent layers: LayerNorm's scale and offset go into the linear maps that follow it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowcli.model.folded.products import Gelu, apply_gelu, apply_linear
from flowcli.model.perceiver import Attention, FeedForward, SelfBlock, attend


def fold_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias, float64, of `linear(norm(x))` as a map of the normalised x without scale and offset."""
    weight = linear.weight.detach().double()
    bias = linear.bias.detach().double() + weight @ norm.bias.detach().double()
    return weight * norm.weight.detach().double(), bias


class FoldedFeedForward(nn.Module):
    """x + linear(GELU(linear(LayerNorm(x))))."""

    expand: Tensor
    expand_bias: Tensor
    contract: Tensor
    contract_bias: Tensor

    def __init__(self, norm: nn.LayerNorm, mlp: FeedForward, gelu: Gelu, operands: torch.dtype) -> None:
        super().__init__()
        self.epsilon = norm.eps
        self.gelu: Gelu = gelu
        weight, bias = fold_norm(norm, mlp.expand)
        self.register_buffer("expand", weight.to(operands), persistent=False)
        self.register_buffer("expand_bias", bias.to(operands), persistent=False)
        self.register_buffer("contract", mlp.contract.weight.detach().to(operands, copy=True), persistent=False)
        self.register_buffer("contract_bias", mlp.contract.bias.detach().to(operands, copy=True), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 `(B, N, D)` to the same shape."""
        hidden = apply_linear(F.layer_norm(x, x.shape[-1:], eps=self.epsilon), self.expand, self.expand_bias)
        return apply_linear(apply_gelu(hidden, self.gelu), self.contract, self.contract_bias).add_(x)


Gather = Callable[[Tensor, int], Tensor]
"""From queries, keys and values `(B, N, 3 * heads * channels)`, and the heads, to what is gathered `(B, N, heads *
channels)`."""


def gather(inner: Tensor, heads: int) -> Tensor:
    """Attend with torch; see `Gather`."""
    query, key, value = inner.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, N, channels)
    return attend(query, key, value).transpose(1, 2).flatten(2)


class FoldedSelfAttention(nn.Module):
    """x + attention(LayerNorm(x)): one map makes queries, keys and values.

    The keys' bias adds the same to every score of a query and cancels; the values' bias passes to the output, because
    attention weights sum to one.
    """

    inner: Tensor
    inner_bias: Tensor
    output: Tensor
    output_bias: Tensor

    def __init__(self, norm: nn.LayerNorm, attention: Attention, operands: torch.dtype) -> None:
        super().__init__()
        self.gather: Gather = gather
        self.epsilon, self.heads = norm.eps, attention.heads
        (query, query_bias), (key, _), (value, value_bias) = (
            fold_norm(norm, linear) for linear in (attention.query, attention.key, attention.value)
        )
        output = attention.output.weight.detach().double()
        output_bias = attention.output.bias.detach().double() + output @ value_bias
        zeros = torch.zeros_like(query_bias)
        self.register_buffer("inner", torch.cat((query, key, value)).to(operands), persistent=False)
        self.register_buffer("inner_bias", torch.cat((query_bias, zeros, zeros)).to(operands), persistent=False)
        self.register_buffer("output", output.to(operands), persistent=False)
        self.register_buffer("output_bias", output_bias.to(operands), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 `(B, N, D)` to the same shape."""
        normed = F.layer_norm(x, x.shape[-1:], eps=self.epsilon)
        inner = F.linear(normed.to(self.inner.dtype), self.inner, self.inner_bias)
        gathered = self.gather(inner, self.heads).to(self.output.dtype)
        return F.linear(gathered, self.output, self.output_bias).float().add_(x)


class FoldedSelfBlock(nn.Module):
    """One latent layer."""

    def __init__(self, block: SelfBlock, gelu: Gelu, operands: torch.dtype) -> None:
        super().__init__()
        self.attention = FoldedSelfAttention(block.norm, block.attention, operands)
        self.mlp = FoldedFeedForward(block.mlp_norm, block.mlp, gelu, operands)

    def forward(self, latents: Tensor) -> Tensor:
        """Map float32 `(B, N, D)` to the same shape."""
        return self.mlp(self.attention(latents))
