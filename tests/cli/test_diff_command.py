"""`flowcli diff`, held against errors that are written out here and pictures read by Pillow."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.diff import diff
from flowcli.errors import FlowcliError, InputError, UsageError

app = typer.Typer()
app.command()(diff)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(kind, *arguments):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert isinstance(result.exception, kind)
    assert result.stdout == ""
    return str(result.exception)


def write_flo(path, uv):
    """Middlebury's format by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = uv.shape[:2]
    path.write_bytes(b"PIEH" + np.array([width, height], np.int32).tobytes() + uv.astype("<f4").tobytes())


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A flow and its truth: errors 0, 0.5, 2, 5 (3, 4), and two pixels that only one of them knows."""
    monkeypatch.chdir(tmp_path)
    truth = np.zeros((2, 3, 2), np.float32)
    truth[0, 2] = (100, 0)
    flow = truth.copy()
    flow[0, 1, 0] += 0.5
    flow[0, 2, 1] += 2
    flow[1, 0] += (3, 4)
    truth[1, 1] = 1e10
    flow[1, 2] = 1e10
    write_flo(Path("a.flo"), flow)
    write_flo(Path("b.flo"), truth)


def test_one_file_in_json(pair):
    found = json.loads(run("a.flo", "b.flo", "--json").stdout)
    (row,) = found["pairs"]
    assert (row["name"], row["flow"], row["reference"]) == ("a", "a.flo", "b.flo")
    assert row["epe"] == pytest.approx((0 + 0.5 + 2 + 5) / 4)
    assert (row["px1"], row["px3"], row["px5"], row["fl"]) == (50, 25, 0, 25)
    angles = [0, np.degrees(np.arctan(0.5)), np.degrees(np.arccos((1 + 100**2) / np.sqrt((1 + 100**2) * (5 + 100**2))))]
    angles.append(np.degrees(np.arccos(1 / np.sqrt(1 + 25))))
    assert row["angular"] == pytest.approx(float(np.mean(angles)), abs=1e-4)
    assert (row["max"], row["max_at"], row["missing_pixels"]) == (5, [0, 1], 1)
    assert row["compared"] == pytest.approx(100 * 4 / 6)
    assert found["over_pixels"]["epe"] == found["over_pairs"]["epe"] == row["epe"]


def test_the_table_is_for_people(pair):
    header, row = run("a.flo", "b.flo").stdout.splitlines()
    assert header.split() == ["flow", "EPE", ">1px", ">3px", ">5px", "Fl", "WAUC", "AE", "max", "at", "compared"]
    assert row.split()[:6] == ["a", "1.875", "50.0", "25.0", "0.0", "25.0"]
    assert row.split()[-3:] == ["5.000", "0,1", "66.7%"]


def test_the_error_picture_has_fixed_colours(pair):
    assert run("a.flo", "b.flo", "-v", "error.png").exit_code == 0
    picture = np.asarray(Image.open("error.png"))
    assert picture.shape == (2, 3, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    red = round(255 * np.log10(2 / 0.1))
    assert picture[0, 2].tolist() == [255, red - 255, 0]
    assert picture[1, 1].tolist() == picture[1, 2].tolist() == [70, 70, 70]
    assert "already exists; use --overwrite" in refusal(FlowcliError, "a.flo", "b.flo", "-v", "error.png")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two sequences; u is 1 too large in each pair, of one sequence 2; formats differ, one flow is of no use."""
    monkeypatch.chdir(tmp_path)
    for sequence, error, size in (("alley", 1, (2, 4)), ("cave", 2, (3, 8))):
        for number in (2, 10):
            uv = np.full((*size, 2), number, np.float32)
            write_flo(Path(f"truth/{sequence}/f{number}.flo"), uv)
            path = Path(f"mine/{sequence}/f{number}.npy")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, uv + np.array([error, 0], np.float32))
    np.save("mine/cave/extra.npy", uv)


def test_folders_are_compared_by_name_and_pooled_both_ways(folders):
    result = run("mine", "truth", "--json", "-v", "errors/")
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["pairs"]] == ["alley/f2", "alley/f10", "cave/f2", "cave/f10"]
    assert [row["epe"] for row in found["pairs"]] == [1, 1, 2, 2]
    assert found["over_pairs"]["epe"] == 1.5
    assert found["over_pixels"]["epe"] == pytest.approx((8 * 1 + 24 * 2) / 32)
    assert "left out, without a reference: mine/cave/extra.npy" in result.stderr
    assert sorted(found["files"]) == sorted(str(path) for path in Path("errors").iterdir())
    with Image.open("errors/cave_f10.png") as picture:
        assert picture.size == (8, 3)


def test_tables_of_folders(folders):
    lines = run("mine", "truth").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "alley/f2", "alley/f10", "cave/f2", "cave/f10", "mean of pairs", "all pixels",
    ]  # fmt: skip
    rows = list(csv.DictReader(run("mine", "truth", "--csv").stdout.splitlines()))
    assert [(row["name"], row["epe"], row["max"], row["compared"]) for row in rows][2] == ("cave/f2", "2", "2", "100")


def test_what_cannot_be_compared_is_named(folders):
    Path("mine/alley/f10.npy").unlink()
    assert "found none for truth/alley/f10.flo" in refusal(InputError, "mine", "truth")
    assert "two flow files or two folders" in refusal(InputError, "mine", "truth/cave/f2.flo")
    text = refusal(InputError, "mine/alley/f2.npy", "truth/cave/f2.flo")
    assert text == "mine/alley/f2.npy: expected flow of 8x3 as the reference, got 4x2"
    assert "no such file" in refusal(InputError, "nowhere", "truth")
    assert "at most one of" in refusal(UsageError, "mine", "truth", "--json", "--csv")


def test_nothing_in_common_is_no_difference_of_zero(pair):
    write_flo(Path("nothing.flo"), np.full((2, 3, 2), 1e10, np.float32))
    assert "known in both" in refusal(InputError, "nothing.flo", "b.flo")
