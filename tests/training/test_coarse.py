"""Training of the coarse network: repeatable, resumable, and better than the match that it starts from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from flowcli.checkpoints import load_checkpoint
from flowcli.checkpoints.checkpoint import build_coarse
from flowcli.cli.app import app
from flowcli.errors import UsageError
from flowcli.model.coarse import Answer
from flowcli.model.config import COARSE
from flowcli.training import coarse, coarse_data
from flowcli.training.coarse import Aspect, CoarsePairs, coarse_error, coarse_loss, make_coarse_pairs, vary
from flowcli.training.coarse_data import CoarseData
from flowcli.training.config import DEFAULTS, TrainingConfig
from flowcli.training.loop import train
from flowcli.training.synthetic import World

SMALL = replace(
    COARSE, tile=(20, 28), features=12, position_bands=4, latents=12, latent_width=32, layers=1, heads=4,
    decoder_width=16, pixel_width=16,
)  # fmt: skip
CONFIG = replace(
    DEFAULTS["coarse"], model=SMALL, steps=4, batch=2, warmup=1, textures=6, shows=2, pool=2,
    validate_every=2, save_every=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that match in milliseconds."""
    monkeypatch.setattr(coarse, "ROWS", (18, 22))
    monkeypatch.setattr(coarse_data, "ASPECTS", (Aspect(1.0, (1.2, 1.5), 5, World(4, 0.5, 0.5)),))
    monkeypatch.setattr(coarse, "ASPECTS", coarse_data.ASPECTS)
    monkeypatch.setattr(coarse_data, "VALIDATION_PAIRS", 4)


def run(folder: Path, config: TrainingConfig = CONFIG, **options) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    folder.mkdir(exist_ok=True)
    train(config, folder, **options)
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return load_checkpoint(folder / "weights.safetensors").tensors, rows


def make_group(batch: int = 2) -> CoarsePairs:
    bank = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    return make_coarse_pairs(torch.Generator().manual_seed(4), bank, batch)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, rows = run(tmp_path / "whole")
    steps = iter(range(100))
    run(tmp_path / "stopped", stop=lambda: next(steps) == 2)
    resumed, resumed_rows = run(tmp_path / "stopped", resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert resumed_rows[-1]["ratio"] == rows[-1]["ratio"]
    weights = load_checkpoint(tmp_path / "whole" / "weights.safetensors")
    further, _ = run(tmp_path / "further", replace(CONFIG, steps=1), weights=weights.tensors)
    assert not torch.equal(further["encoder.latents"], whole["encoder.latents"])


@pytest.mark.slow
def test_training_learns_what_it_is_shown(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=80, batch=8, ema=0.8, shows=100, validate_every=80, save_every=80, muon_rate=0.02)
    run(tmp_path / "learns", config)
    model = build_coarse(load_checkpoint(tmp_path / "learns" / "weights.safetensors"))
    shown = CoarseData(config, (), torch.device("cpu")).group(0)
    assert coarse_error(model, [shown]) < 0.85  # of the error of the match


def test_mirrored_pairs_ask_the_mirrored_question() -> None:
    group = make_group()
    before = group.ask()
    flow, candidates = group.flow, before.candidates
    mirrored = 0
    for seed in range(12):
        other = vary(torch.Generator().manual_seed(seed), group)
        after = other.ask()
        mirrored += not torch.allclose(other.flow.norm(dim=1), flow.norm(dim=1))
        # How far a candidate is from the truth does not depend on how the pair is shown.
        for found, expected in zip(after.candidates.unbind(1), candidates.unbind(1), strict=True):
            error = (found - other.flow).norm(dim=1).sum()
            torch.testing.assert_close(error, (expected - flow).norm(dim=1).sum())
        assert len(other.share) == len(group.share)
    assert 3 < mirrored < 12


def test_the_loss_is_least_at_the_truth() -> None:
    flow = torch.randn(1, 2, 8, 12, generator=torch.Generator().manual_seed(0)).cumsum(3)
    candidates = torch.stack((flow + 3, flow, torch.zeros_like(flow)), 1)

    def loss(chosen: int, scale: float) -> float:
        weights = torch.zeros(1, 3, 4, 6)
        weights[:, chosen] = 1
        answer = Answer(weights, torch.zeros(1, 2, 4, 6), torch.full((1, 1, 4, 6), scale))
        return float(coarse_loss(answer, candidates, flow))

    assert loss(1, 0.1) < loss(0, 0.1)
    # 3 px off along both axes: half of that distance is the likeliest scale of a Laplacian in two dimensions.
    assert loss(0, 2.1) < loss(0, 0.5) and loss(0, 2.1) < loss(0, 9.0)


def test_the_command_trains_the_network_that_is_named() -> None:
    def settings(*arguments: str) -> dict:
        result = CliRunner().invoke(app, ["train", "-o", "run", "--show-config", *arguments])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    assert settings()["model"]["residual"] is True
    shown = settings("--network", "coarse")
    assert shown["model"]["candidates"] == 3 and shown["batch"] == DEFAULTS["coarse"].batch
    wrong = CliRunner().invoke(app, ["train", "-o", "run", "--network", "coarse", "--weights", "compact"])
    assert isinstance(wrong.exception, UsageError) and "--network residual" in str(wrong.exception)
