"""What the folded stages share: products of chosen operand type, GELU, and how a tile is cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Gelu = Literal["tanh", "erf"]

LOG2_E = math.log2(math.e)
"""Scores are folded times this, so that the softmax takes powers of two.

On a CPU torch's exp is MKL's, which is three times slower, and thirty times where the result vanishes, as most do.
"""

_SLOPE = 2 * math.sqrt(2 / math.pi)


def multiply(left: Tensor, right: Tensor, operands: torch.dtype) -> Tensor:
    """Multiply matrices `(B, I, K)` or `(I, K)`, and `(B, K, J)`: float32 `(B, I, J)` from operands of one type."""
    left = left.expand(right.shape[0], -1, -1)
    return torch.bmm(left.to(operands), right.to(operands)).float()


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map float32 `(..., I)` to float32 `(..., O)`; weight `(O, I)` and bias of the operand type."""
    return F.linear(x.to(weight.dtype), weight, bias).float()


def apply_gelu(x: Tensor, form: Gelu) -> Tensor:
    """Apply GELU.

    The tanh form is x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), because (1 + tanh z) / 2 = sigmoid(2 z). On a CPU with
    AVX2 that takes 40 % of the time of torch's own kernel, whose tanh is slow.
    """
    if form == "erf":
        return F.gelu(x)
    if x.device.type != "cpu":
        return F.gelu(x, approximate="tanh")
    return torch.addcmul(x.new_full((), _SLOPE), x, x, value=_SLOPE * 0.044715).mul_(x).sigmoid_().mul_(x)


def split_evenly(length: int, most: int, multiple: int = 1) -> Iterator[slice]:
    """Cut 0..length into about the fewest slices of at most `most`, of nearly equal length.

    Each but the last is a multiple of `multiple` long, unless `most` is less than that.
    """
    most = max(1, most)
    step = math.ceil(length / max(1, math.ceil(length / most)))
    if most >= multiple:
        step = min(math.ceil(step / multiple), most // multiple) * multiple
    for start in range(0, length, max(1, step)):
        yield slice(start, min(start + step, length))
