from __future__ import annotations

import json
from pathlib import Path

import gpu_report
import pytest
import torch
from gpu_checks.setup import Row, Setup
from gpu_checks.table import format_table

DRY = ["--device", "cpu", "--small", "--repeats", "1"]


def test_the_networks_of_a_dry_run_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    assert gpu_report.main([*DRY, "--sections", "machine", "networks", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("lacks: no CUDA device") and printed.endswith("everything that was checked holds\n")
    report = json.loads(file.read_text())
    assert report["correct"] and report["lacks"] and list(report["sections"]) == ["machine", "networks"]
    rows = report["sections"]["networks"]["rows"]
    assert {(row["network"], row["precision"]) for row in rows} == {
        (network, precision) for network in ("compact", "perceiver-io") for precision in ("fp32", "bf16")
    }
    assert all(0 < row["mean px"] < 0.1 for row in rows if row["precision"] == "bf16")


def fail(setup: Setup) -> list[Row]:
    raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    ("sections", "code"),
    [
        ({"steps": lambda setup: [{"holds": True}], "video": fail}, 0),
        ({"steps": lambda setup: [{"holds": True}, {"holds": False}]}, 1),
        ({"steps": fail, "tiles": lambda setup: [{"holds": True}]}, 1),
        ({"tiles": lambda setup: [{"holds": False}]}, 1),
    ],
)
def test_the_exit_code_is_whether_all_holds_and_nothing_ends_the_others(
    sections: dict[str, object], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_report, "SECTIONS", sections)
    assert gpu_report.main([*DRY, "--sections", *sections]) == code
    printed = capsys.readouterr()
    assert all(f"\n{name}, " in printed.out for name in sections)
    assert ("FAILED, RuntimeError: out of luck" in printed.out) == (fail in sections.values())


def test_without_the_device_it_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_report.main([]) == 2
    assert "expected a CUDA device" in capsys.readouterr().err


def test_a_table_has_the_columns_that_any_row_fills() -> None:
    rows: list[Row] = [{"a": "x", "b": None, "c": 0.00012345}, {"a": 3, "d": False, "c": 12345.6}]
    assert format_table(rows).splitlines() == ["a  c         d", "x  0.000123", "3  12346     NO"]


@pytest.mark.slow
def test_a_dry_run_of_everything(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert gpu_report.main([*DRY, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert list(report["sections"]) == list(gpu_report.SECTIONS)
    assert all(section["rows"] and section["error"] is None for section in report["sections"].values())
    tiles = report["sections"]["tiles"]["rows"]
    assert {row["way"] for row in tiles} == {"plain", "torch.compile", "transformers"}
    assert not any(row.get("failed") for section in report["sections"].values() for row in section["rows"])
