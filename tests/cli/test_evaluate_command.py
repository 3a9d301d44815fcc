"""`flowcli evaluate` with methods that never load a network."""

import csv
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from typer.testing import CliRunner, Result

from flowcli.cli.evaluate import DatasetName, evaluate
from flowcli.errors import FlowcliError, InputError, OutputError, UsageError
from flowcli.evaluation.datasets import DATASETS
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_image
from flowcli.options import EstimatorOptions

app = typer.Typer()
app.command()(evaluate)

# Model name -> flow that it answers with everywhere.
FLOWS = ConstantFlows({"compact": (3, 0), "dis": (2, 0), "zero": (0, 0)})


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FLOWS.install(monkeypatch)


@pytest.fixture
def pair_list(tmp_path: Path) -> Path:
    """Two data sets: true flow (4, 0) on a pair of 6x4, (1, 0) and (12, 0) on two pairs of 3x2."""
    rows = [("large", "a", 4.0, (4, 6)), ("small", "b", 1.0, (2, 3)), ("small", "c", 12.0, (2, 3))]
    lines = ["dataset,name,frame1,frame2,flow"]
    for dataset, name, u, size in rows:
        for end in ("1.png", "2.png"):
            write_image(tmp_path / f"{name}{end}", np.zeros((*size, 3), np.uint8))
        write_flow(tmp_path / f"{name}.flo", FlowField(np.full((*size, 2), (u, 0), np.float32)))
        lines.append(f"{dataset},{name},{name}1.png,{name}2.png,{name}.flo")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def middlebury(tmp_path: Path) -> Path:
    root = tmp_path / "middlebury"
    for folder in ("other-data/Venus", "other-gt-flow/Venus"):
        (root / folder).mkdir(parents=True)
    for name in ("frame10.png", "frame11.png"):
        write_image(root / "other-data/Venus" / name, np.zeros((4, 6, 3), np.uint8))
    write_flow(root / "other-gt-flow/Venus/flow10.flo", FlowField(np.full((4, 6, 2), (4, 0), np.float32)))
    return root


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fail(*arguments: str | Path) -> FlowcliError:
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert result.stdout == ""
    return result.exception


def test_models_stand_side_by_side_and_zero_is_always_there(pair_list: Path) -> None:
    result = run("--pairs", pair_list, "--model", "compact", "--model", "dis")
    assert result.exit_code == 0, result.output
    table, notes = result.stdout.split("\n\n")
    header, *rows = [line.split() for line in table.splitlines()]
    assert header[:5] == ["data", "set", "pairs", "model", "EPE"]
    assert [(*row[:3], float(row[3])) for row in rows] == [
        ("large", "1", "compact", 1.0),
        ("large", "1", "dis", 2.0),
        ("large", "1", "zero", 4.0),
        ("small", "2", "compact", 5.5),
        ("small", "2", "dis", 5.5),
        ("small", "2", "zero", 6.5),
    ]
    assert notes.strip() == "large, small: means over pairs of each pair's mean"


def test_compact_is_the_default_and_a_model_is_measured_once(pair_list: Path) -> None:
    assert [row.split()[2] for row in run("--pairs", pair_list).stdout.splitlines()[1:3]] == ["compact", "zero"]
    rows = run("--pairs", pair_list, "--model", "zero", "--model", "dis", "--model", "dis").stdout.splitlines()
    assert [row.split()[2] for row in rows[1:3]] == ["zero", "dis"]


def test_a_published_data_set_is_measured(middlebury: Path) -> None:
    result = run("middlebury", middlebury, "--model", "dis")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split()[:4] == ["middlebury", "1", "dis", "2.000"]


def test_csv_and_rows_per_pair(pair_list: Path) -> None:
    rows = list(csv.DictReader(run("--pairs", pair_list, "--model", "dis", "--csv", "--per-pair").stdout.splitlines()))
    assert [(row["dataset"], row["pair"], row["model"], row["epe"]) for row in rows] == [
        ("large", "a", "dis", "2"),
        ("large", "a", "zero", "4"),
        ("small", "b", "dis", "1"),
        ("small", "b", "zero", "1"),
        ("small", "c", "dis", "10"),
        ("small", "c", "zero", "12"),
    ]


def test_json_holds_settings_both_poolings_and_every_pair(pair_list: Path) -> None:
    found = json.loads(run("--pairs", pair_list, "--model", "dis", "--json").stdout)
    assert found["source"] == str(pair_list)
    assert found["models"]["dis"] == {"model": "dis"}
    assert [(row["dataset"], row["model"]) for row in found["datasets"]] == [
        ("large", "dis"),
        ("large", "zero"),
        ("small", "dis"),
        ("small", "zero"),
    ]
    assert found["datasets"][2]["over_pixels"]["epe"] == found["datasets"][2]["over_pairs"]["epe"] == 5.5
    assert len(found["pairs"]) == 6


def test_limit_takes_the_first_pairs(pair_list: Path) -> None:
    found = json.loads(run("--pairs", pair_list, "--limit", "2", "--model", "dis", "--json").stdout)
    assert [pair["pair"] for pair in found["pairs"]] == ["a", "a", "b", "b"]


def test_the_worst_pairs_of_each_model_are_drawn(pair_list: Path, tmp_path: Path) -> None:
    folder = tmp_path / "worst"
    result = run("--pairs", pair_list, "--model", "dis", "--save-worst", "1", "-o", folder)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.glob("*.png")) == ["dis_001_small_c.png", "zero_001_small_c.png"]
    assert f"wrote {folder / 'dis_001_small_c.png'}" in result.stderr
    assert "wrote" not in result.stdout


def test_a_folder_with_files_needs_overwrite(pair_list: Path, tmp_path: Path) -> None:
    error = fail("--pairs", pair_list, "--save-worst", "1", "-o", tmp_path)
    assert isinstance(error, OutputError)
    assert "add --overwrite" in str(error)
    assert run("--pairs", pair_list, "--save-worst", "1", "-o", tmp_path, "--overwrite").exit_code == 0


def test_pictures_do_not_go_into_a_file(pair_list: Path) -> None:
    assert "found a file" in str(fail("--pairs", pair_list, "--save-worst", "1", "-o", pair_list))


def test_each_model_gets_the_options_that_it_knows(pair_list: Path) -> None:
    options = ["--device", "cuda:1", "--precision", "bf16", "--threads", "3", "--initial-flow", "dis", "--no-refine"]
    options += ["--overlap", "20", "--batch", "4", "--memory", "2.5", "--preset", "fast", "--kernels", "torch"]
    assert run("--pairs", pair_list, *options).exit_code == 0
    everything = EstimatorOptions("compact", "dis", False, "fast", "cuda:1", "bf16", "torch", 2.5, 4, 20, 3)
    assert FLOWS.built == [everything, EstimatorOptions("zero", memory=2.5, threads=3)]
    assert FLOWS.configured == [3]


def test_an_option_that_no_model_knows_is_refused(pair_list: Path) -> None:
    error = fail("--pairs", pair_list, "--model", "dis", "--preset", "best")
    assert isinstance(error, UsageError)
    assert str(error).startswith("expected no --preset with --model dis and zero")
    assert FLOWS.built == []


def test_the_network_takes_a_preset_beside_zero_which_has_none(
    pair_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    result = run("--pairs", pair_list, "--model", "compact", "--model", "zero", "--preset", "best", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["models"]
    assert found["compact"].items() >= {"model": "compact", "preset": "best", "refine": True}.items()
    assert found["zero"] == {"model": "zero"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "DATASET ROOT, --pairs"),
        (["middlebury"], "DATASET ROOT, --pairs"),
        (["middlebury", "root", "--pairs", "p.csv"], "DATASET ROOT, --pairs"),
        (["things", "root"], "sintel-clean"),
        (["--pairs", "p.csv", "--json", "--csv"], "at most one of --json and --csv"),
        (["--pairs", "p.csv", "--save-worst", "2"], "belong together"),
        (["--pairs", "p.csv", "-o", "there"], "belong together"),
        (["--pairs", "p.csv", "--save-worst", "0", "-o", "there"], "--save-worst"),
        (["--pairs", "p.csv", "--limit", "0"], "--limit"),
        (["--pairs", "p.csv", "--initial-flow", "farneback"], "--initial-flow"),
        (["--pairs", "p.csv", "--guess", "farneback"], "--guess"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""
    assert FLOWS.built == []


def test_files_are_checked_before_a_model_is_loaded(pair_list: Path, middlebury: Path) -> None:
    (pair_list.parent / "c2.png").unlink()
    assert isinstance(fail("--pairs", pair_list), InputError)
    (middlebury / "other-data/Venus/frame11.png").unlink()
    assert "frame11.png, found nothing there" in str(fail("middlebury", middlebury))
    assert FLOWS.built == []


def test_names_in_the_help_are_those_of_the_table() -> None:
    assert get_args(DatasetName) == tuple(DATASETS)
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert all(name in help_text for name in DATASETS)
