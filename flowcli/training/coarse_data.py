"""The batches of a run of the coarse network, its fresh weights and its steps; the counterpart of `TrainingData`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from flowcli.flow import Frame
from flowcli.kernels.store import choose_kernels
from flowcli.model.coarse import FIRST_WEIGHTS, LOGIT_SCALE, CoarseFlow, relative_positions
from flowcli.model.networks import Network
from flowcli.training.coarse import (
    ASPECTS,
    CoarsePairs,
    coarse_error,
    coarse_loss,
    draw_number,
    make_coarse_pairs,
    vary,
)
from flowcli.training.config import TrainingConfig
from flowcli.training.initialise import seed_latents, whiten_values
from flowcli.training.textures import make_texture_bank

VALIDATION_PAIRS = 16
"""Per kind of frame."""


class CoarseData:
    """Renders groups of pairs of one process from the run's seed, keeps the last ones and shows each several times."""

    def __init__(self, config: TrainingConfig, photos: Sequence[Frame], device: torch.device, rank: int = 0) -> None:
        self.config, self.photos, self.device, self.rank = config, photos, device, rank
        self.kernels = choose_kernels("auto", torch.float32, torch.device("cpu"))
        self._bank_number: int | None = None
        self._bank = torch.empty(0)
        self._groups: dict[int, CoarsePairs] = {}

    def bank(self, number: int) -> Tensor:
        """Return textures, uint8 `(T, 3, S, S)`; a number has its own."""
        if number != self._bank_number:
            rng = np.random.default_rng((self.config.seed, number & 0xFFFFFFFF, self.rank))
            bank = make_texture_bank(rng, self.config.textures, self.photos, self.config.photo_share)
            self._bank, self._bank_number = torch.from_numpy(bank), number
        return self._bank

    def group(self, number: int) -> CoarsePairs:
        """Return one group of pairs: the same number gives the same pairs."""
        if number not in self._groups:
            # Groups come from generators of their own, far from those of the steps.
            seed = (self.config.seed * 1_000_003 + number + self.rank * 0x9E3779B9 + 2**40) % 2**63
            generator = torch.Generator().manual_seed(seed)
            bank = self.bank(number * self.config.shows // self.config.bank_steps)
            self._groups[number] = make_coarse_pairs(generator, bank, self.config.batch, self.kernels)
            for old in sorted(self._groups)[: -self.config.pool]:
                del self._groups[old]
        return self._groups[number]

    def batch(self, step: int, generator: Generator) -> CoarsePairs:
        """Return the pairs of a step: any of the groups rendered up to it, in another guise."""
        newest = step // self.config.shows
        host = torch.Generator().manual_seed(generator.initial_seed())
        # The newest one first, so that every group is shown at least once.
        back = 0 if step % self.config.shows == 0 else draw_number(host, min(self.config.pool, newest + 1))
        pairs = vary(host, self.group(newest - back))
        return CoarsePairs(**{name: value.to(self.device) for name, value in vars(pairs).items()})

    @torch.no_grad()
    def initialise(self, model: CoarseFlow, generator: Generator) -> None:
        """Set fresh weights in place: see `training/initialise.py`; at first the match is taken nearly as it is."""
        for module in model.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.zeros_(model.decoder.output.weight)
        model.decoder.output.bias[: len(FIRST_WEIGHTS)] = torch.tensor(FIRST_WEIGHTS) / LOGIT_SCALE
        questions = [(pairs, pairs.ask()) for pairs in (self.batch(step, generator) for step in range(4))]
        values = torch.cat([model.values(p.frame1, q.warped, q.evidence).flatten(0, 1) for p, q in questions])
        whiten_values(model.pixels, values)
        grid = (model.config.tile[0] // model.config.stride, model.config.tile[1] // model.config.stride)
        seed_latents(model, generator, relative_positions(*grid, model.config).to(self.device), grid)

    def backward(self, model: CoarseFlow, step: int, generator: Generator) -> Tensor:
        """Leave the gradients of a step in the network's parameters; returns its loss."""
        model.zero_grad(set_to_none=True)
        pairs = self.batch(step, generator)
        question = pairs.ask()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            answer = model(pairs.frame1, question.warped, question.evidence)
        loss = coarse_loss(answer, question.candidates, pairs.flow)
        loss.backward()
        return loss.detach()

    def make_validation(self) -> Callable[[Network], float]:
        """Return what measures the network on pairs that are never trained on: `coarse_error`."""
        generator = torch.Generator().manual_seed((self.config.seed * 1_000_003 + 2**41) % 2**63)
        bank = self.bank(-1)
        groups = [make_coarse_pairs(generator, bank, VALIDATION_PAIRS, self.kernels, aspect) for aspect in ASPECTS]
        moved = [CoarsePairs(**{name: value.to(self.device) for name, value in vars(g).items()}) for g in groups]

        def measure(model: Network) -> float:
            assert isinstance(model, CoarseFlow)
            return coarse_error(model, moved)

        return measure
