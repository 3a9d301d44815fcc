"""The training loop: resumable at any saved step, and the same from the same seed.

All randomness of a step comes from a generator seeded by (seed, step, rank of the process), so a state needs no
generator and a resumed run follows the same curve as one that was never stopped. Several processes train one network
(see distributed.py); a run may be resumed with another number of them, and a single process is process 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from flowcli.flow import Frame
from flowcli.model.coarse import CoarseFlow
from flowcli.model.networks import Network, make_network
from flowcli.model.perceiver import PerceiverFlow
from flowcli.training.coarse_data import CoarseData
from flowcli.training.config import TrainingConfig
from flowcli.training.distributed import Processes
from flowcli.training.initialise import initialise
from flowcli.training.muon import Muon
from flowcli.training.residual import ResidualTask, disturb, make_task, polish_handed, residual_loss
from flowcli.training.results import append_log, write_results
from flowcli.training.state import TrainingState, load_state, save_state, share_state
from flowcli.training.synthetic import SyntheticPairs, make_pairs
from flowcli.training.textures import make_texture_bank

MARGIN = 20
"""Pixels of frame 2 rendered around the window, so that warping finds what moved in from outside."""

VALIDATION_BATCHES = 8
DECODE_STRIDE = 2
"""Queries are independent: the loss looks at every second row and column, at a random phase."""

Report = Callable[[dict[str, float]], None]


def step_generator(config: TrainingConfig, step: int, device: torch.device, rank: int = 0) -> Generator:
    """Return the generator of one step in one process; negative steps are free for other uses."""
    # Multiples of 2^32 / golden ratio lie far apart in the 32 bits of a seed that a CPU generator looks at.
    return Generator(device).manual_seed((config.seed * 1_000_003 + step + rank * 0x9E3779B9) % 2**63)


class TrainingData:
    """Makes the batches of one process of a run from its seed; holds one texture bank at a time."""

    def __init__(self, config: TrainingConfig, photos: Sequence[Frame], device: torch.device, rank: int = 0) -> None:
        self.config, self.photos, self.device, self.rank = config, photos, device, rank
        self._bank_number = -1
        self._bank = torch.empty(0)

    def bank(self, step: int) -> Tensor:
        """Return the textures that `step` uses, uint8 `(T, 3, S, S)`."""
        number = step // self.config.bank_steps
        if number != self._bank_number:
            rng = np.random.default_rng((self.config.seed, number, self.rank))
            bank = make_texture_bank(rng, self.config.textures, self.photos, self.config.photo_share)
            self._bank, self._bank_number = torch.from_numpy(bank).to(self.device), number
        return self._bank

    def batch(self, step: int, generator: Generator) -> tuple[SyntheticPairs, Tensor]:
        """Make the pairs of a step and the flow that is handed down with them."""
        config = self.config
        share = min(1.0, step / max(1, config.widening))
        largest = config.first_residual + share * (config.largest_residual - config.first_residual)
        motion = 1.0 + share * (config.largest_motion - 1.0)
        pairs = make_pairs(generator, self.bank(step), config.batch, config.model.tile, MARGIN, motion)
        handed = disturb(generator, pairs.flow, config.smallest_residual, largest)
        return pairs, polish_handed(generator, pairs, handed, config.polished)


def train(
    config: TrainingConfig,
    folder: Path,
    photos: Sequence[Frame] = (),
    device: torch.device | str = "cpu",
    resume: bool = False,
    weights: Mapping[str, Tensor] | None = None,
    report: Report | None = None,
    stop: Callable[[], bool] = lambda: False,
    processes: Processes | None = None,
) -> list[Path]:
    """Train, keeping the state, the log and the results in `folder`.

    Args:
        config: the run.
        folder: an existing folder; only process 0 looks at it.
        photos: uint8 RGB frames to cut textures from.
        device: where the network and the data of this process live.
        resume: go on from the state in the folder.
        weights: start from these, by parameter name, instead of fresh ones; not looked at when resuming.
        report: called by process 0 with the figures of every logged step.
        stop: asked after every step; True in any process saves the state and ends early.
        processes: those that train together, this one among them; by default it is alone.

    Returns:
        The files that hold the results: weights (the running average), log and curve; none but in process 0.
    """
    device = torch.device(device)
    processes = processes or Processes()
    first = processes.rank == 0
    results: list[Path] = []
    measure: Callable[[Network], float] | None = None
    with processes.together():
        data = (CoarseData if config.model.candidates else TrainingData)(config, photos, device, processes.rank)
        model = make_network(config.model).to(device)
        state = TrainingState(config, model, make_optimisers(model, config))
        if first:
            begin(state, data, folder if resume else None, weights)
            measure = data.make_validation() if isinstance(data, CoarseData) else prepare_validation(config, data)
            results = write_results(folder, state)
    share_state(state, processes)
    model.train()
    losses: list[float] = []
    started, steps_before = time.monotonic(), state.step
    while state.step < config.steps:
        losses.append(train_step(state, data, processes))
        ended = processes.any(state.step == config.steps or stop())
        logged = ended or state.step % config.validate_every == 0
        saved = ended or state.step % config.save_every == 0
        if not (logged or saved):
            continue
        with processes.together():
            if measure is not None and logged:
                row = {
                    "step": state.step,
                    "samples": state.samples,
                    "loss": sum(losses) / len(losses),
                    "ratio": measure(state.averaged),
                    "seconds_per_step": (time.monotonic() - started) / (state.step - steps_before),
                }
                append_log(folder, row)
                if report is not None:
                    report(row)
            if first and saved:
                save_state(folder / "state.pt", state)
                results = write_results(folder, state)
        if logged:
            losses.clear()
        if ended:
            break
    return results


def begin(
    state: TrainingState, data: TrainingData | CoarseData, resumed: Path | None, weights: Mapping[str, Tensor] | None
) -> None:
    """Fill a new state: from the folder of a run to go on with, from given weights, or with fresh ones."""
    if resumed is not None:
        load_state(resumed / "state.pt", state)
    elif weights is not None:
        state.model.load_state_dict(weights)
        state.averaged.load_state_dict(weights)
    else:
        generator = step_generator(state.config, -1, data.device)
        if isinstance(data, CoarseData):
            assert isinstance(state.model, CoarseFlow)
            data.initialise(state.model, generator)
        else:
            assert isinstance(state.model, PerceiverFlow)
            initialise(state.model, generator, [make_task(generator, *data.batch(0, generator)) for _ in range(4)])
        state.averaged.load_state_dict(state.model.state_dict())


def make_optimisers(model: Network, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW for latents, biases, norms and the last layer, Muon for the hidden matrices unless its rate is zero."""
    hidden = [p for name, p in model.named_parameters() if config.muon_rate and _is_hidden_matrix(name, p)]
    chosen = {id(p) for p in hidden}
    others = [p for p in model.parameters() if id(p) not in chosen]
    adam = torch.optim.AdamW(others, lr=config.adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
    return [adam] if not hidden else [Muon(hidden, config.muon_rate), adam]


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and name not in ("encoder.latents", "decoder.output.weight")


def schedule(config: TrainingConfig, step: int) -> float:
    """Share of the full learning rate at a step: linear warm-up, plateau, linear decay to zero."""
    rise = (step + 1) / max(1, config.warmup)
    fall = (config.steps - step) / max(1.0, config.decay * config.steps)
    return min(1.0, rise, fall)


def train_step(state: TrainingState, data: TrainingData | CoarseData, processes: Processes) -> float:
    """Run one optimiser step; returns the loss of fresh pairs in pixels, mean over the processes."""
    with processes.together():
        generator = step_generator(state.config, state.step, data.device, processes.rank)
        if isinstance(data, CoarseData):
            assert isinstance(state.model, CoarseFlow)
            loss = data.backward(state.model, state.step, generator)
        else:
            loss = backward(state, data, generator)
    gradients = [parameter.grad for parameter in state.model.parameters() if parameter.grad is not None]
    processes.average([loss, *gradients])
    update(state)
    state.samples += state.config.batch * processes.count
    return float(loss)


def backward(state: TrainingState, data: TrainingData, generator: Generator) -> Tensor:
    """Leave the gradients of one batch in the network's parameters; returns the loss of fresh pairs in pixels."""
    config, model = state.config, state.model
    assert isinstance(model, PerceiverFlow)
    model.zero_grad(set_to_none=True)
    pairs, handed = data.batch(state.step, generator)
    task = make_task(generator, pairs, handed)
    again = int(config.batch * config.second_pass) if state.step >= config.widening // 2 else 0
    # Products in bfloat16 where asked for; the loss is float32 all the same.
    products = torch.autocast(data.device.type, torch.bfloat16, enabled=config.precision == "bf16")
    with products:
        loss, pixels, latents = _loss(model, task, generator)
    loss.backward()
    if again:
        with torch.no_grad(), products:
            residual = model.write(pixels[:again], latents[:again]).transpose(1, 2).unflatten(2, config.model.tile)
        # The network's own answer, with the estimator's median, is the next pass's question.
        improved = median5(handed[:again] + residual)
        window = SyntheticPairs(
            pairs.frame1[:again], pairs.frame2[:again], pairs.flow[:again], pairs.visible[:again], pairs.margin
        )
        task = make_task(generator, window, improved)
        with products:
            second, *_ = _loss(model, task, generator)
        (second * config.second_pass).backward()
    return loss.detach()


def update(state: TrainingState) -> None:
    """Move the weights along their gradients and the averaged weights after them."""
    config = state.config
    share = schedule(config, state.step)
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    rates = (config.muon_rate, config.adam_rate)[-len(state.optimisers) :]
    for optimiser, rate in zip(state.optimisers, rates, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate * share
        optimiser.step()
    state.step += 1
    state.average()


def _loss(model: PerceiverFlow, task: ResidualTask, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Loss on a quarter of the pixels, with what the network read: pixels and latents."""
    height, width = model.config.tile
    pixels, latents = model.read(task.frame1, task.warped)
    phase = torch.randint(DECODE_STRIDE, (2,), generator=generator, device=generator.device)
    grid = torch.arange(height * width, device=pixels.device).view(height, width)
    chosen = grid[phase[0] :: DECODE_STRIDE, phase[1] :: DECODE_STRIDE].flatten()
    estimate = model.write(pixels[:, chosen], latents)
    target = task.target.flatten(2).transpose(1, 2)[:, chosen]
    weight = task.weight.flatten(2).transpose(1, 2)[:, chosen]
    return residual_loss(estimate, target, weight), pixels, latents


def median5(flow: Tensor) -> Tensor:
    """Median of each 5x5 neighbourhood, per component, of `(B, 2, H, W)`."""
    batch, channels, height, width = flow.shape
    padded = F.pad(flow, (2, 2, 2, 2), mode="replicate")
    columns = F.unfold(padded, 5).view(batch, channels, 25, height * width)
    return columns.median(dim=2).values.view(batch, channels, height, width)


def make_validation(config: TrainingConfig, data: TrainingData, device: torch.device) -> list[ResidualTask]:
    """Make the fixed validation set: full motion, full residuals, pairs that are never trained on."""
    generator = step_generator(config, -2, device)
    step = config.widening
    return [make_task(generator, *data.batch(step, generator)) for _ in range(VALIDATION_BATCHES)]


def prepare_validation(config: TrainingConfig, data: TrainingData) -> Callable[[Network], float]:
    """Return what measures a network on the fixed validation set."""
    tasks = make_validation(config, data, data.device)

    def measure(model: Network) -> float:
        assert isinstance(model, PerceiverFlow)
        return validate(model, tasks)

    return measure


@torch.no_grad()
def validate(model: PerceiverFlow, tasks: Sequence[ResidualTask]) -> float:
    """Mean endpoint error over mean length of the target, at visible pixels; 1 means nothing learned."""
    error, length = 0.0, 0.0
    for task in tasks:
        known = task.weight[:, 0] == 1
        error += float((model(task.frame1, task.warped) - task.target).norm(dim=1)[known].sum())
        length += float(task.target.norm(dim=1)[known].sum())
    return error / length
