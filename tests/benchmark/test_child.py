from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flowcli.benchmark import child
from flowcli.benchmark.cases import Case, run_case
from flowcli.benchmark.flops import STAGES, count_folded
from flowcli.benchmark.random_weights import make_random_network
from flowcli.checkpoints import load_checkpoint, save_checkpoint
from flowcli.model.config import TINY

RESIDUAL = replace(TINY, residual=True)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, RESIDUAL, make_random_network(RESIDUAL).state_dict(), {})
    return str(path)


def test_a_tile_is_measured_stage_by_stage(weights: str) -> None:
    results = child.run(Case("tile", weights, device="cpu", repeats=1))
    stages = results["stages"]
    assert isinstance(stages, list)
    assert [stage["stage"] for stage in stages] == list(STAGES)
    assert sum(stage["gflop"] for stage in stages) == pytest.approx(results["gflop"])
    assert all(stage["seconds"]["min"] > 0 for stage in stages)
    assert results["size"] == list(TINY.tile)
    assert results["precision"] == "fp32"
    json.dumps(results, allow_nan=False)


def test_a_pair_counts_its_tiles(weights: str) -> None:
    results = child.run(Case("pair", weights, size=(20, 30), device="cpu", repeats=2))
    tiles = results["tiles"]
    assert isinstance(tiles, int)
    assert tiles > 4
    assert results["gflop"] == pytest.approx(tiles * sum(count_folded(RESIDUAL).values()) / 1e9)
    assert results["size"] == [20, 30]


def test_the_reference_takes_turns_and_agrees(weights: str) -> None:
    results = child.run(Case("compare", weights, device="cpu", repeats=3, rival="reference"))
    ratio, difference = results["ratio_seconds"], results["largest_difference_px"]
    assert isinstance(ratio, dict)
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    assert isinstance(difference, float)
    assert difference < 1e-4


def test_dis_takes_turns_on_a_pair(weights: str) -> None:
    results = child.run(Case("compare", weights, size=(20, 30), device="cpu", repeats=1, rival="dis"))
    assert results["largest_difference_px"] is None
    assert results["size"] == [20, 30]
    for rival, size in (("dis", (20, 30)), ("reference", None)):
        alone = child.run(Case("rival", weights, size=size, device="cpu", rival=rival))  # type: ignore[arg-type]
        assert isinstance(alone["peak_gib"], float)
        assert alone["peak_gib"] > 0.01


def test_random_weights_of_a_preset_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(child.PRESETS, "perceiver-io", RESIDUAL)
    path = tmp_path / "random.safetensors"
    child.run(Case("random", "perceiver-io", path=str(path)))
    assert load_checkpoint(path).config == RESIDUAL


def test_the_process_answers_in_one_line(
    weights: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["child", Case("rival", weights, device="cpu", rival="reference").to_json()])
    child.main()
    assert json.loads(capsys.readouterr().out)["rival"] == "reference"
    monkeypatch.setattr(sys, "argv", ["child", Case("tile", "no/such.safetensors").to_json()])
    with pytest.raises(SystemExit, match=r"^flowcli: no/such\.safetensors: expected"):
        child.main()


def test_a_case_runs_in_a_process_of_its_own(weights: str) -> None:
    results = run_case(Case("tile", weights, device="cpu", threads=1, repeats=1))
    assert results["threads"] == 1
