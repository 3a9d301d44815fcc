from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flowcli.checkpoints import load_checkpoint
from flowcli.errors import OutputError, WeightsError
from flowcli.model.config import COMPACT
from flowcli.training.config import TrainingConfig
from flowcli.training.loop import train
from flowcli.training.results import draw_curve, prepare_folder
from flowcli.training.state import load_settings

# The compact network's shape, smaller: a step takes milliseconds.
SMALL = replace(
    COMPACT, tile=(16, 20), features=12, position_bands=4, latents=12, latent_width=32, layers=1, heads=4,
    decoder_width=16, pixel_width=16,
)  # fmt: skip
CONFIG = TrainingConfig(
    model=SMALL, steps=6, batch=6, warmup=1, widening=2, textures=6, bank_steps=3, validate_every=2, save_every=2
)


Run = tuple[dict[str, Tensor], list[dict[str, float]]]


def run(folder: Path, config: TrainingConfig = CONFIG, **options) -> Run:
    folder.mkdir(exist_ok=True)
    train(config, folder, **options)
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return load_checkpoint(folder / "weights.safetensors").tensors, rows


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training") / "plain"


@pytest.fixture(scope="module")
def plain(plain_folder: Path) -> Run:
    """The weights and the log of CONFIG, which the others are held against."""
    return run(plain_folder)


def without_time(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds_per_step"} for row in rows]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, plain: Run) -> None:
    first, rows = plain
    again, again_rows = run(tmp_path / "b")
    other, _ = run(tmp_path / "c", replace(CONFIG, seed=1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert without_time(rows) == without_time(again_rows)
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert not torch.equal(first["encoder.latents"], other["encoder.latents"])


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path, plain: Run) -> None:
    whole, rows = plain
    steps = iter(range(100))
    run(tmp_path / "stopped", stop=lambda: next(steps) == 2)  # after three steps
    resumed, resumed_rows = run(tmp_path / "stopped", resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert [row["step"] for row in resumed_rows] == [2, 3, 4, 6]
    assert resumed_rows[-1]["ratio"] == rows[-1]["ratio"]


@pytest.mark.slow
def test_training_learns(tmp_path: Path) -> None:
    config = replace(
        CONFIG, steps=100, batch=12, bank_steps=1000, validate_every=100, save_every=100, warmup=5, ema=0.8,
        widening=1, largest_motion=2.0, second_pass=0.0, decay=0.2, polished=0.0,
    )  # fmt: skip
    _, rows = run(tmp_path / "long", config)
    assert rows[-1]["ratio"] < 0.97


def test_products_in_bfloat16_give_nearly_the_same_training(tmp_path: Path, plain: Run) -> None:
    exact, exact_rows = plain
    rounded, rounded_rows = run(tmp_path / "bf16", replace(CONFIG, precision="bf16"))
    assert not torch.equal(exact["encoder.latents"], rounded["encoder.latents"])
    assert all(tensor.dtype == torch.float32 for tensor in rounded.values())
    assert rounded_rows[-1]["loss"] == pytest.approx(exact_rows[-1]["loss"], rel=0.05)


@pytest.mark.slow
def test_without_a_rate_for_muon_adamw_takes_all_and_resumes(tmp_path: Path, plain: Run) -> None:
    config = replace(CONFIG, muon_rate=0.0)
    whole, _ = run(tmp_path / "whole", config)
    muon, _ = plain
    assert not torch.equal(whole["encoder.layers.0.mlp.expand.weight"], muon["encoder.layers.0.mlp.expand.weight"])
    steps = iter(range(100))
    run(tmp_path / "stopped", config, stop=lambda: next(steps) == 2)
    resumed, _ = run(tmp_path / "stopped", config, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_given_weights_are_where_it_starts(tmp_path: Path, plain: Run) -> None:
    given, _ = plain
    config = replace(CONFIG, steps=1, muon_rate=1e-9, adam_rate=1e-9, ema=0.0)
    started, _ = run(tmp_path / "started", config, weights=given)
    for name, value in given.items():
        torch.testing.assert_close(started[name], value, rtol=0, atol=1e-6)


def test_folders_are_not_overwritten_and_states_are_checked(tmp_path: Path, plain: Run, plain_folder: Path) -> None:
    assert plain[0]
    shutil.copytree(plain_folder, tmp_path / "a")
    with pytest.raises(OutputError, match="already holds a run; use --resume"):
        prepare_folder(tmp_path / "a", resume=False)
    prepare_folder(tmp_path / "a", resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a folder"):
        prepare_folder(tmp_path / "file" / "run", resume=False)
    with pytest.raises(WeightsError, match="expected a training state"):
        run(tmp_path / "empty", resume=True)
    for content in (b"", b"no state", pickle.dumps({"step": 1}, protocol=2)):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(WeightsError, match="expected a training state"):
            load_settings(tmp_path / "state.pt")
    with pytest.raises(WeightsError, match="another network"):
        run(tmp_path / "a", replace(CONFIG, model=replace(SMALL, layers=2)), resume=True)


def test_the_curve_goes_down_where_the_error_does() -> None:
    picture = draw_curve([0, 100], [1.0, 0.0])
    assert picture.shape == (360, 640, 3)
    blue = (picture == (30, 90, 200)).all(axis=2)
    rows = [blue[:, column].nonzero()[0].mean() for column in (100, 300, 500)]
    assert rows == sorted(rows)
    assert rows[2] > rows[0] + 100
