"""`bench --suite`: which options reach it, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from flowcli.cli.bench import bench
from flowcli.errors import EngineError, FlowcliError, OutputError, UsageError
from flowcli.io.image import read_image
from flowcli.suite import run
from flowcli.suite.run import SuiteRequest

app = typer.Typer()
app.command()(bench)
SPREAD = {"min": 0.5, "median": 1.0, "max": 2.0, "mean": 1.1}
ROW = {
    "method": "dis", "epe": 2.5, "px3": 12.0, "epe_by_dataset": {"street": 2.5}, "seconds": SPREAD,
    "cpu_seconds": SPREAD, "ratio_seconds": SPREAD, "ratio_to": "dis", "peak_gib": 0.1,
}  # fmt: skip
REPORT: dict[str, object] = {
    "machine": {"processor": "abacus", "cores": 1, "torch": "2", "flowcli": "0"},
    "scope": "quick",
    "threads": None,
    "baseline": "dis",
    "contestants": [{"name": "dis", "model": "dis", "preset": None}],
    "absent": [{"name": "transformers", "reason": "is not installed"}],
    "errors": {"source": "rendered", "pairs": 1, "rows": [ROW]},
    "faults": [],
    "minutes": 1.25,
}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SuiteRequest]:
    seen: list[SuiteRequest] = []

    def run_suite(request: SuiteRequest, announce: object) -> dict[str, object]:
        seen.append(request)
        return REPORT

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run_suite", run_suite)
    return seen


def test_options_reach_it(requests: list[SuiteRequest]) -> None:
    arguments = "--suite full --part errors --part pairs --model dis --model compact --preset fast --size 64x48"
    arguments += " --repeats 7 --pairs list.csv --threads 2 --device cpu --json"
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == REPORT
    assert result.stderr == "scope full: all parts take hours on two cores\n"
    assert requests == [
        SuiteRequest(
            "full", ["errors", "pairs"], ["dis", "compact"], ["fast"], [(48, 64)], 7, Path("list.csv"), 2, "cpu"
        )
    ]


def test_a_table_and_a_chart(requests: list[SuiteRequest]) -> None:
    result = CliRunner().invoke(app, ["--suite", "quick", "--chart", "chart.png"])
    assert result.exit_code == 0, result.output
    assert requests == [SuiteRequest("quick", parts=[], sizes=[])]
    table = [line.split() for line in result.stdout.splitlines()]
    assert table[0] == ["abacus,", "1", "cores,", "torch", "2;", "scope", "quick;", "1.2", "minutes", "in", "all"]
    assert ["dis", "2.500", "12.00", "1.100", "2.500", "1", "(0.5", "to", "2)"] in table
    assert result.stdout.endswith("transformers is not installed\n")
    assert read_image("chart.png").shape == (640, 960, 3)
    again = CliRunner().invoke(app, ["--suite", "quick", "--chart", "chart.png"])
    assert isinstance(again.exception, OutputError)
    assert len(requests) == 1


def test_faults_are_told_at_the_end(requests: list[SuiteRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REPORT, "faults", [{"part": "video", "method": "best", "reason": "no space"}])
    result = CliRunner().invoke(app, ["--suite", "quick"])
    assert isinstance(result.exception, EngineError)
    assert "video: best failed: no space" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--part pairs --chart x.png", "expected --suite quick or --suite full with --part, --chart"),
        ("--suite quick --part paris", "--part: expected one of pairs, errors, video, batch, start, got 'paris'"),
        ("--suite quick --against dis --memory 1", "expected no --against, --memory with --suite"),
        ("--suite quick --ceiling 1", "expected no --ceiling with --suite"),
        ("--suite quick --chart x.jpg", "ends in .png"),
        ("--suite quick --part start --chart x.png", "expected --part errors with --chart"),
        ("--suite quick --part start --pairs x.csv", "expected --part errors with --pairs"),
    ],
)
def test_wrong_requests(requests: list[SuiteRequest], arguments: str, expected: str) -> None:
    error = CliRunner().invoke(app, arguments.split()).exception
    assert isinstance(error, UsageError)
    assert expected in str(error)
    assert requests == []


@pytest.mark.slow
def test_the_command_measures_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = "--suite quick --part errors --part start --model compact --model dis --preset fast --chart chart.png"
    result = CliRunner().invoke(app, [*arguments.split(), "--repeats", "1", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["errors"]["pairs"] == 10
    fast, dis = report["errors"]["rows"]
    assert fast["epe"] < 0.8 * dis["epe"]
    assert fast["seconds"]["min"] > dis["seconds"]["max"]
    assert [row["method"] for row in report["start"]] == ["fast", "dis"]
    assert len({tuple(pixel) for pixel in read_image("chart.png").reshape(-1, 3)}) > 5
    assert not issubclass(type(result.exception), FlowcliError)
