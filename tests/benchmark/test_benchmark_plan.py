from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowcli.benchmark.cases import Case, run_case
from flowcli.benchmark.plan import Request, run_benchmark
from flowcli.benchmark.report import format_report
from flowcli.errors import EngineError, InputError, WeightsError

SPREAD = {"min": 0.5, "median": 1.0, "max": 2.0}
TIMES = {"seconds": SPREAD, "cpu_seconds": SPREAD}


class Recorder:
    """Answers every case with made-up results and remembers it."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def __call__(self, case: Case) -> dict[str, object]:
        self.cases.append(case)
        kernels = "avx2" if case.kernels == "compiled" else "torch"
        side = {"device": "cpu", "precision": "fp32", "kernels": kernels, "threads": 2, "gflop": 3.0, **TIMES}
        side["peak_gib"] = 0.25
        if case.task == "tile":
            stages = [{"stage": "pixels", "gflop": 3.0, **TIMES}]
            return {**side, "size": [48, 64], "gflop_unfolded": 7.0, "load_seconds": 0.1, "stages": stages}
        if case.task == "pair":
            return {**side, "size": list(case.size or ()), "tiles": 12, "seconds_per_megapixel": SPREAD}
        if case.task == "compare":
            return {
                "rival": case.rival,
                "size": case.size,
                "tiles": 5,
                "kernels": kernels,
                "ours": TIMES,
                "theirs": TIMES,
                "ratio_seconds": SPREAD,
                "ratio_cpu_seconds": SPREAD,
                "largest_difference_px": 2e-5,
                "mean_difference_px": 1e-6,
            }
        return {"peak_gib": 4.5, "path": case.path}


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(tmp_path))


def test_tiles_then_pairs_then_the_rival() -> None:
    run, said = Recorder(), []
    request = Request(["compact"], [(436, 1024)], ["fp32", "bf16"], rival="dis", threads=2, memory=1.5, repeats=4)
    report = run_benchmark(request, said.append, run)
    assert [case.task for case in run.cases] == ["tile", "pair", "rival", "compare"] * 2
    assert [case.precision for case in run.cases] == ["fp32"] * 4 + ["bf16"] * 4
    assert run.cases[1].size == run.cases[3].size == (436, 1024)
    assert {(case.threads, case.memory, case.repeats) for case in run.cases} == {(2, 1.5, 4)}
    assert said[:3] == ["compact fp32: one tile", "compact fp32: a pair of 1024x436", "compact fp32: against dis"]
    tiles = report["tiles"]
    assert isinstance(tiles, list)
    assert (tiles[0]["model"], tiles[0]["weights"]) == ("compact", "own")


@pytest.mark.usefixtures("no_weights")
def test_a_preset_without_weights_gets_random_ones() -> None:
    run, said = Recorder(), []
    report = run_benchmark(Request(["perceiver-io"], [], rival="transformers"), said.append, run)
    assert [case.task for case in run.cases] == ["random", "tile", "rival", "compare"]
    assert run.cases[1].model == run.cases[0].path
    assert run.cases[3].size is None
    assert "random" in said[0]
    comparisons = report["comparisons"]
    assert isinstance(comparisons, list)
    assert comparisons[0]["weights"] == "random"
    assert comparisons[0]["rival_peak_gib"] == 4.5


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        run_benchmark(Request(["nowhere.safetensors"], []), run=Recorder())
    with pytest.raises(InputError, match="add --size WxH"):
        run_benchmark(Request(["compact"], [], rival="dis"), run=Recorder())


def test_the_table_names_every_figure() -> None:
    request = Request(["compact"], [(436, 1024)], rival="reference")
    text = format_report(run_benchmark(request, run=Recorder()))
    for expected in (
        "compact (own weights), tile 64x48, fp32, cpu, 2 threads, torch; loaded in 0.10 s, 0.25 GiB",
        "  pixels       1000.00   1000.00     3.000          3.0",
        "  without folding: 7.000 GFLOP",
        "compact 1024x436 fp32                        1.000     1.000     1.000      12       3.0   0.25",
        "compact auto, torch, against reference, 5 tiles at once, taking turns",
        "  theirs / ours in CPU-s: 1.00 (from 0.50 to 2.00)",
        "  their peak memory: 4.50 GiB",
        "  difference of flow: at most 2.00e-05 px, mean 1.00e-06 px",
    ):
        assert expected in text.splitlines()


def test_compiled_kernels_are_measured_beside_torch() -> None:
    run = Recorder()
    request = Request(["compact"], [(436, 1024)], rival="reference", kernels=["torch", "compiled"])
    lines = format_report(run_benchmark(request, run=run)).splitlines()
    assert [case.kernels for case in run.cases] == ["torch"] * 4 + ["compiled"] * 4
    assert "compact 1024x436 fp32 compiled               1.000     1.000     1.000      12       3.0   0.25" in lines
    assert "compact auto, compiled (avx2), against reference, 5 tiles at once, taking turns" in lines


def test_cases_travel_as_json() -> None:
    case = Case("pair", "compact", size=(3, 4), threads=1, rival="dis")
    assert Case.from_json(case.to_json()) == case
    assert Case.from_json(Case("tile", "compact").to_json()).size is None


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("some warning\nflowcli: it is not there\n", r"benchmark of compact \(tile\): it is not there$"),
        ("", r"exit code -9$"),
    ],
)
def test_a_failed_process_becomes_one_line(monkeypatch: pytest.MonkeyPatch, stderr: str, message: str) -> None:
    failed = subprocess.CompletedProcess([], -9, stdout="", stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(EngineError, match=message):
        run_case(Case("tile", "compact"))
