"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al. 2024, "Muon: an optimizer for hidden layers").

torch.optim.Muon orthogonalises in bfloat16, which processors without it emulate some fifty times slower, and one matrix
at a time; here matrices of one shape go through the iteration together, in float32 on the CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

# Quintic Newton-Schulz coefficients with the largest slope at zero (the cited post).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Bring every singular value of `(K, rows, columns)` near 1 (0.7 to 1.2), keeping the singular vectors."""
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; for two-dimensional hidden weights only.

    Args:
        parameters: matrices.
        lr: length of an update's singular values, times sqrt(rows / columns) for tall matrices.
        momentum: share of the old direction that is kept.
    """

    def __init__(self, parameters: Iterable[Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure: one gradient per step
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: defaultdict[torch.Size, list[Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                directions = [self._direction(parameter, group["momentum"]) for parameter in parameters]
                updates = orthogonalise(torch.stack(directions))
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.add_(update, alpha=-rate)

    def _direction(self, parameter: Parameter, momentum: float) -> Tensor:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum)
