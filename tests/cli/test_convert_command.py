import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flowcli.cli.convert import convert
from flowcli.errors import FlowcliError
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS, read_flow, write_flow

app = typer.Typer()
app.command()(convert)

UV = np.array([[[0.005, 0], [600, 1], [3, 4], [9, 9]]], np.float32)
FIELD = FlowField(UV, np.array([[True, True, True, False]]))


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write_flow("in/a.flo", FIELD)
    write_flow("in/b.flo", FlowField(UV[:, 2:]))


@pytest.mark.parametrize("suffix", list(FORMATS))
def test_one_file_to_every_format(suffix):
    result = run("in/a.flo", f"out{suffix}")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"out{suffix}\n"
    row = FORMATS[suffix]
    np.testing.assert_array_equal(read_flow(f"out{suffix}").uv, row.decode(row.encode(FIELD), "x").uv)
    assert (result.stderr == "") == row.exact


def test_what_was_lost_is_said():
    result = run("in/a.flo", "out.png")
    assert result.stderr == ("out.png: rounded by up to 0.005 px, 1 of 3 known pixels clipped to -512 .. 511.984 px\n")


def test_a_folder_becomes_a_folder():
    result = run("in", "out/", "--format", "kitti", "--json")
    assert json.loads(result.stdout) == {
        "outputs": ["out"],
        "files": 2,
        "format": "kitti",
        "known_pixels": 5,
        "rounding_px": pytest.approx(0.005),
        "clipped_pixels": 1,
        "changed_validity_pixels": 0,
    }
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png"]
    assert run("out", "back", "--format", ".npz").exit_code == 0
    assert (read_flow("back/b.npz").uv == UV[:, 2:]).all()


def test_a_folder_gets_flo_unless_told():
    write_flow("c.npy", FIELD)
    assert run("c.npy", "out/").exit_code == 0
    assert read_flow("out/c.flo").size == (1, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in/a.flo", "out.mat"], "expected a flow file ending in .flo"),
        (["in/a.mat", "out.flo"], "no such file"),
        (["in", "out.npy"], "expected a folder/ for 2 flow files"),
        (["in/a.flo", "out.npy", "--format", "npy"], "--format npy is for a folder"),
        (["in", "out/", "--format", "jpeg"], "expected a flow format of flo, kitti"),
        (["in/a.flo", "in/a.flo", "--overwrite"], "got the input itself"),
        (["in", "in", "--overwrite"], "got the input itself"),
        (["in/a.flo", "none/out.npy"], "does not exist"),
    ],
)
def test_refusals(arguments, message):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert message in str(result.exception)
    assert result.stdout == ""
    assert [path.name for path in Path().iterdir()] == ["in"]


def test_nothing_is_overwritten_unasked():
    write_flow("out.npy", FlowField(UV[:, :1]))
    assert "already exists" in str(run("in/a.flo", "out.npy").exception)
    assert read_flow("out.npy").size == (1, 1)
    assert run("in/a.flo", "out.npy", "--overwrite").exit_code == 0
    assert read_flow("out.npy").size == (1, 4)
