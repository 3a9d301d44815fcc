"""A suite on tiny inputs: what it says comes from real runs of real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from flowcli.errors import EngineError, InputError
from flowcli.evaluation.metrics import measure
from flowcli.flow import FlowField
from flowcli.io.flow import read_flow, write_flow
from flowcli.io.image import read_image, write_image
from flowcli.methods.classical import DisFlow, FarnebackFlow
from flowcli.suite.chart import draw_errors
from flowcli.suite.commands import run_command
from flowcli.suite.contestants import Contestant
from flowcli.suite.pairs import compare
from flowcli.suite.report import format_suite
from flowcli.suite.run import SuiteRequest, run_suite
from flowcli.suite.scope import PARTS, SCOPES, Fault, Run, Scope, megapixels
from flowcli.suite.workers import take_turns

TINY = Scope(
    about="seconds",
    sizes=((48, 64), (64, 80)),
    rounds=2,
    large_rounds=1,
    rendered=1,
    video_sizes=((48, 64),),
    video_frames=4,
    clips=2,
    clip_size=(48, 64),
    clip_frames=3,
    command_rounds=1,
)


@pytest.fixture
def pair_list(tmp_path: Path) -> Path:
    """Two pairs of a pattern, moved by (2, 1) and by (3, 0)."""
    rng = np.random.default_rng(0)
    texture = np.asarray(cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (96, 64)), np.uint8)
    rows = ["dataset,name,frame1,frame2,flow"]
    for dataset, u, v in (("a", 2, 1), ("b", 3, 0)):
        write_image(tmp_path / f"{dataset}1.png", np.ascontiguousarray(texture[4:52, 8:72]))
        write_image(tmp_path / f"{dataset}2.png", np.ascontiguousarray(texture[4 - v : 52 - v, 8 - u : 72 - u]))
        write_flow(tmp_path / f"{dataset}.flo", FlowField(np.full((48, 64, 2), (u, v), np.float32)))
        rows.append(f"{dataset},one,{dataset}1.png,{dataset}2.png,{dataset}.flo")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(rows))
    return path


def rows_of(report: dict[str, object], part: str) -> list[dict[str, Any]]:
    found = report[part]
    return cast(list[dict[str, Any]], found["rows"] if isinstance(found, dict) else found)


@pytest.mark.slow
def test_errors_and_times_are_those_of_the_methods(pair_list: Path, tmp_path: Path) -> None:
    said: list[str] = []
    request = SuiteRequest(parts=["errors"], models=["dis", "farneback"], pairs=pair_list, threads=1)
    report = run_suite(request, said.append)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    rows = rows_of(report, "errors")
    assert [row["method"] for row in rows] == ["dis", "farneback"]
    for row, method in zip(rows, (DisFlow(), FarnebackFlow()), strict=True):
        errors: dict[str, float] = {}
        for dataset in "ab":
            pair = (read_image(tmp_path / f"{dataset}1.png"), read_image(tmp_path / f"{dataset}2.png"))
            value = measure(method.estimate([pair])[0], read_flow(tmp_path / f"{dataset}.flo")).value("epe")
            assert value is not None
            errors[dataset] = value
        assert row["epe_by_dataset"] == pytest.approx(errors, rel=1e-3)
        assert row["epe"] == pytest.approx(np.mean(list(errors.values())), rel=1e-3)
        assert row["runs"] == 2
        assert 0 < row["seconds"]["min"] <= row["seconds"]["mean"] <= row["seconds"]["max"] < 5
        assert 0.02 < row["peak_gib"] < 1
    assert rows[0]["ratio_seconds"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert report["faults"] == []
    table = format_suite(report)
    assert "errors, 2 pairs" in table
    assert f"{rows[0]['epe']:.3f}" in table
    assert draw_errors(report).shape == (640, 960, 3)


@pytest.mark.slow
def test_who_fails_is_named_and_the_others_go_on(pair_list: Path, tmp_path: Path) -> None:
    faults: list[Fault] = []
    broken = Contestant("broken", "gone.safetensors")
    order = [Contestant("dis", "dis"), broken]
    run = Run(TINY, order, tmp_path, threads=1)
    answers = take_turns(run, "errors", order, [{"list": str(pair_list), "index": k} for k in (0, 0, 1)], 1, faults)
    assert {one.name: len(told) for one, told in answers.items()} == {"dis": 2}
    assert [(fault.method, "gone.safetensors" in fault.reason) for fault in faults] == [("broken", True)]
    faults.clear()
    answers = take_turns(run, "errors", order[:1], [{"pair": str(tmp_path / "none.npz")}], 0, faults)
    assert answers == {}
    assert "none.npz" in faults[0].reason


def test_ratios_are_those_of_the_same_round() -> None:
    def told(*seconds: float) -> list[dict[str, float]]:
        return [{"seconds": s, "cpu_seconds": 2 * s, "peak_gib": 0.1 * s} for s in seconds]

    rows = compare({Contestant("dis", "dis"): told(1, 2, 9), Contestant("balanced", "compact"): told(2, 8, 9)})
    assert rows[0]["ratio_seconds"] == {"min": 0.25, "median": 0.5, "max": 1.0}
    assert rows[0]["seconds"] == {"min": 1, "median": 2, "max": 9, "mean": 4}
    assert rows[1]["ratio_cpu_seconds"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert [row["ratio_to"] for row in rows] == ["balanced", "balanced"]
    assert rows[1]["peak_gib"] == pytest.approx(0.9)
    assert compare({}) == []


def test_a_command_is_measured_from_its_start_to_its_end(tmp_path: Path) -> None:
    import sys

    source = (
        "import time; began = time.process_time(); x = bytearray(2**27)\nwhile time.process_time() < began + 0.3: pass"
    )
    told = run_command([sys.executable, "-c", source], tmp_path / "log")
    assert told["seconds"] > 0.3
    assert told["cpu_seconds"] > 0.3
    assert told["peak_gib"] > 2**-3
    with pytest.raises(EngineError, match="it was me"):
        run_command([sys.executable, "-c", "raise SystemExit('it was me')"], tmp_path / "log")


def test_opencv_alone_finds_the_flow_that_our_method_of_that_name_finds(pair_list: Path, tmp_path: Path) -> None:
    from flowcli.suite.commands import _alone  # pyright: ignore[reportPrivateUsage]

    frames = [tmp_path / "a1.png", tmp_path / "a2.png"]
    for method in (DisFlow(), FarnebackFlow()):
        name = str(method.settings["model"])
        run = Run(TINY, [], tmp_path, threads=1)
        run_command(_alone(Contestant(name, name), run, tmp_path / "alone.flo", frames), tmp_path / "log")
        expected = method.estimate([(read_image(frames[0]), read_image(frames[1]))])[0]
        assert np.abs(read_flow(tmp_path / "alone.flo").uv - expected.uv).mean() < 0.05


def test_the_scopes_hold_what_they_promise() -> None:
    full = SCOPES["full"]
    assert megapixels(full.sizes[0]) == pytest.approx(0.25, abs=0.01)
    assert megapixels(full.sizes[-1]) == pytest.approx(33.2, abs=0.1)
    assert (full.video_frames, full.clips, [size[0] for size in full.video_sizes]) == (100, 20, [480, 1080])
    assert SuiteRequest("full", sizes=[(8, 9)], rounds=5).choose_scope().command_rounds == 5


def test_the_table_says_who_takes_part_in_what() -> None:
    contestants = [{"name": "transformers", "largest_megapixels": 0.3}, {"name": "dis", "largest_megapixels": None}]
    machine = {"processor": "abacus", "cores": 1, "torch": "2"}
    report: dict[str, object] = {"machine": machine, "scope": "full", "baseline": "dis", "contestants": contestants}
    table = format_suite(report | {"absent": [], "faults": [], "minutes": 3})
    assert table.endswith("transformers takes part up to 0.3 Mpixel, and in no video: it takes seconds a tile")


def test_without_errors_there_is_no_chart() -> None:
    with pytest.raises(InputError, match="expected errors for the chart, found none"):
        draw_errors({"errors": {"rows": [], "pairs": 0, "source": "rendered"}, "contestants": []})


@pytest.mark.slow
def test_all_parts_on_tiny_inputs() -> None:
    models, said = ["compact", "zero", "dis"], list[str]()
    report = run_suite(SuiteRequest(models=models, presets=["fast", "balanced"], threads=1), said.append, TINY)
    assert report["faults"] == []
    methods = ["fast", "balanced", "zero", "dis"]
    for part in PARTS:
        rows = rows_of(report, part)
        assert [row["method"] for row in rows] == methods * (2 if part == "pairs" else 1)
        assert all(row["ratio_to"] == "balanced" for row in rows)
        assert all(row["cpu_seconds"]["min"] > 0 for row in rows if row["method"] != "zero")
    assert {tuple(row["size"]) for row in rows_of(report, "pairs")} == {(48, 64), (64, 80)}
    assert rows_of(report, "video")[0]["pairs"] == 3
    assert rows_of(report, "batch")[0]["pairs"] == 4
    errors = {row["method"]: row["epe"] for row in rows_of(report, "errors")}
    assert errors["fast"] < errors["zero"]
    # The start of Python and torch is most of it.
    assert rows_of(report, "start")[1]["seconds"]["min"] > rows_of(report, "start")[3]["seconds"]["max"]
    assert len(format_suite(report).splitlines()) > 25
    assert draw_errors(report).any()
