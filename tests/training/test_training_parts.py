from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flowcli.errors import InputError
from flowcli.model.config import COMPACT
from flowcli.model.features import extract_patches
from flowcli.model.perceiver import GatedPixels, PerceiverFlow
from flowcli.training.config import TrainingConfig, read_toml
from flowcli.training.initialise import LATENTS_PER_PIXEL, PIXELS_PER_LATENT, initialise
from flowcli.training.loop import schedule
from flowcli.training.muon import Muon, orthogonalise
from flowcli.training.residual import LONGEST_TARGET, OCCLUDED_WEIGHT, disturb, make_task, polish_handed, residual_loss
from flowcli.training.synthetic import SyntheticPairs, make_pairs
from flowcli.training.textures import make_texture_bank


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(30, 30), (50, 20), (20, 50)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=generator())
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    result = orthogonalise(matrices)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.3
    assert values.max() < 1.3
    assert (result * (u @ v)).sum() / (result.norm() * (u @ v).norm()) > 0.95


def test_muon_descends() -> None:
    target = torch.randn(8, 8, generator=generator(1))
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    optimiser = Muon([weight], lr=0.05)
    losses = []
    for _ in range(60):
        loss = (weight - target).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


def test_the_handed_down_flow_is_nearly_right() -> None:
    flow = torch.zeros(256, 2, 24, 32)
    flow[..., 16:] = 6
    small = (disturb(generator(2), flow, 0.1, 0.1) - flow).norm(dim=1)
    large = (disturb(generator(2), flow, 2.0, 2.0) - flow).norm(dim=1)
    away = slice(0, 8)  # far from the edge of motion
    # One pair in ten has a single motion for all, here the mean of 0 and 6.
    constant = small[..., away].mean((1, 2)) > 2
    assert 0.05 < constant.float().mean() < 0.15
    assert small[~constant][..., away].mean() < 0.2
    assert 0.5 < large[~constant][..., away].mean() < 3
    # One in ten has a patch that is off by more.
    assert (large[~constant][..., away].amax((1, 2)) > 5).float().mean() < 0.3
    # Three in ten are blurred: wrong at the edge, right away from it.
    edge = small[..., 15:17].mean((1, 2)) > 0.7
    assert 0.2 < (edge & ~constant).float().mean() < 0.4


def test_polished_flows_are_nearer_to_the_truth_and_the_others_stay() -> None:
    bank = torch.from_numpy(make_texture_bank(np.random.default_rng(0), 8, (), 0.0))
    pairs = make_pairs(generator(2), bank, 12, (48, 64), 20, 4.0)
    handed = pairs.flow + 0.6
    assert polish_handed(generator(3), pairs, handed, 0.0) is handed
    before = handed.clone()
    errors = [
        (flow - pairs.flow).norm(dim=1).median() for flow in (polish_handed(generator(3), pairs, handed, 1.0), handed)
    ]
    assert errors[0] < 0.98 * errors[1]
    assert torch.equal(handed, before)
    some = polish_handed(generator(3), pairs, handed, 0.5)
    changed = (some != handed).flatten(1).any(dim=1)
    assert 0 < changed.sum() < 12


def test_polishing_smooths_the_handed_down_flow_where_there_is_nothing_to_see() -> None:
    flat = torch.zeros(1, 3, 48, 64)
    rough = torch.randn(1, 2, 48, 64, generator=generator(3)) * 0.5
    rough[:, 0] += 7  # the window of frame 2 follows
    pairs = SyntheticPairs(flat, torch.zeros(1, 3, 88, 104), torch.zeros_like(rough), flat[:, :1] == 0, 20)
    smooth = polish_handed(generator(4), pairs, rough, 1.0)
    assert smooth.std(dim=(2, 3)).max() < 0.3 * rough.std(dim=(2, 3)).min()
    assert smooth[:, 0].mean() == pytest.approx(7, abs=0.05)


def test_a_task_asks_for_the_rest_and_only_where_there_is_an_answer() -> None:
    bank = torch.from_numpy(make_texture_bank(np.random.default_rng(3), count=8))
    pairs = make_pairs(generator(3), bank, 16, (24, 32), 8, largest=6)
    exact = make_task(generator(4), pairs, pairs.flow)
    assert (exact.target == 0).all()
    off = make_task(generator(4), pairs, pairs.flow + 5)
    assert (off.weight == 0).all()  # |target| = 7 > LONGEST_TARGET
    assert LONGEST_TARGET < 7
    values = set(exact.weight.unique().tolist())
    assert values == {OCCLUDED_WEIGHT, 1.0}
    assert (exact.weight[~pairs.visible] == OCCLUDED_WEIGHT).all()


def test_the_loss_is_the_robust_length_of_the_error() -> None:
    estimate = torch.tensor([[[3.0, 4.0], [9.0, 9.0]]])
    target = torch.zeros(1, 2, 2)
    weight = torch.tensor([[[1.0], [0.0]]])
    assert float(residual_loss(estimate, target, weight)) == pytest.approx(math.sqrt(25 + 1e-3))


def test_initial_attention_is_local_and_patches_are_white() -> None:
    model = PerceiverFlow(COMPACT)
    bank = torch.from_numpy(make_texture_bank(np.random.default_rng(5), count=8))
    pairs = make_pairs(generator(5), bank, 8, COMPACT.tile, 12, largest=3)
    task = make_task(generator(5), pairs, pairs.flow)
    initialise(model, generator(5), [task])
    pixels = model.pixels
    assert isinstance(pixels, GatedPixels)
    white = (extract_patches(task.frame1, task.warped) - pixels.whitening_mean) @ pixels.whitening_matrix
    variance = white.flatten(0, 1).var(0)
    assert variance.max() < 1.01
    assert (variance > 0.5).sum() > 20
    with torch.no_grad():
        inputs, _ = model.read(task.frame1, task.warped)
        cross = model.encoder.cross
        query = cross.attention.query(cross.query_norm(model.encoder.latents))
        key = cross.attention.key(cross.input_norm(inputs[0]))
        attention = torch.softmax(query @ key.T / math.sqrt(query.shape[-1]), dim=-1)
    support = (-(attention * attention.clamp(min=1e-30).log()).sum(-1)).exp().mean()
    expected = PIXELS_PER_LATENT * COMPACT.tile[0] * COMPACT.tile[1] / COMPACT.latents
    assert 0.5 * expected < support < 2 * expected
    assert COMPACT.latents > LATENTS_PER_PIXEL
    assert (model(task.frame1, task.warped) == 0).all()


def test_the_schedule_warms_up_holds_and_decays() -> None:
    config = TrainingConfig(steps=1000, warmup=10, decay=0.4)
    shares = [schedule(config, step) for step in range(1000)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[10:600] == [1.0] * 590
    assert shares[-1] == pytest.approx(1 / 400)
    assert min(shares) > 0


def test_settings_round_trip_and_name_what_is_wrong(tmp_path) -> None:
    config = TrainingConfig(steps=7, ema=0.5)
    assert TrainingConfig.from_dict(config.to_dict()) == config
    path = tmp_path / "run.toml"
    path.write_text('steps = 9\nema = 0.9\n[model]\nlatents = 48\ngelu = "erf"\n')
    loaded = TrainingConfig.from_dict(read_toml(path))
    assert (loaded.steps, loaded.ema, loaded.model.latents, loaded.model.gelu) == (9, 0.9, 48, "erf")
    for values, expected in (
        ({"stpes": 3}, "unknown training setting 'stpes'"),
        ({"precision": "fp8"}, "expected training setting 'precision' as 'fp32' or 'bf16', got 'fp8'"),
        ({"steps": "many"}, "'steps' as a whole number"),
        ({"steps": -1}, "'steps' as a whole number from 1 to 2147483647, got -1"),
        ({"steps": 0}, "got 0"),
        ({"model": {"latent": 3}}, "unknown network setting 'latent'"),
        ({"model": 3}, "'model' as a table"),
    ):
        with pytest.raises(InputError, match=expected):
            TrainingConfig.from_dict(values)
    with pytest.raises(InputError, match=r"'seed' as a whole number .*, got a number beyond 64 bits"):
        replace(config, seed=10**30)  # as --seed does
    with pytest.raises(InputError, match="expected a TOML file"):
        read_toml(tmp_path / "absent.toml")
    path.write_text("steps = = 3")
    with pytest.raises(InputError, match="expected TOML"):
        read_toml(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ema = nan", "'ema' as a number from 0.0 to 1.0, got nan"),
        ("adam_rate = inf", "'adam_rate' as a number from 0.0 to 1000.0, got inf"),
        ("muon_rate = -inf", "got -inf"),
        ("largest_motion = 1e300", "got 1e\\+300"),
        ("validate_every = 0", "'validate_every' as a whole number from 1"),
        ("save_every = 0", "'save_every' as a whole number from 1"),
        ("batch = 0", "'batch' as a whole number from 1"),
        ("steps = 0x" + "f" * 4000, "'steps' as a whole number .*, got a number beyond 64 bits"),
        ("steps = " + "9" * 5000, "expected TOML, found Exceeds the limit"),
        ("seed = 0x1" + "0" * 16, "'seed' as a whole number .*, got a number beyond 64 bits"),
        ("steps = true", "got True"),
        ("steps = 5.0", "got 5.0"),
        ("steps = {a = 1}", "got a dict"),
        ("steps = 1979-05-27", "got a date"),
        ("precision = [1]", "got a list"),
        ("a = " + "[" * 100_000, "expected TOML, found .*"),
        ("steps = 5\0", "expected TOML"),
        ("model = {latents = 0x1" + "0" * 16 + "}", "'model': expected sizes of at most"),
        ("model = {tile = [100000, 100000]}", "'model': expected tiles of at most"),
        ("model = {tile = [nan, inf]}", "'model': expected positive whole numbers"),
        ("model = {flow_scale = nan}", "'model': expected a positive flow_scale"),
        ("x = 1\n" + "# " * 2**20, "at most 1048576 bytes"),
        ('"\\u0000" = 1', "unknown training setting"),
    ],
)
def test_hostile_settings_are_one_line_with_the_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"run.toml: .*{expected}") as caught:
        read_toml(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_settings_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"run\.toml: expected TOML"):
        read_toml(tmp_path / "run.toml")
    with pytest.raises(InputError, match="expected a TOML file of training settings"):
        read_toml(tmp_path)
