"""Submissions of the four benchmarks, and scores of others' results, read by cv2, h5py and numpy."""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.evaluate import evaluate
from flowcli.cli.submission import submission
from flowcli.errors import FlowcliError, InputError, OutputError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow

app = typer.Typer()
app.command()(submission)
app.command()(evaluate)
FLOWS = ConstantFlows({"compact": (1.5, -2), "zero": (0, 0)})


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def frame(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refusal(kind, *arguments):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert isinstance(result.exception, kind)
    return str(result.exception)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_sintel():
    for rendering in ("clean", "final"):
        for number in (1, 2, 3):
            frame(f"sintel/test/{rendering}/cave_3/frame_{number:04d}.png")
    result = done("submission", "sintel", "sintel", "-o", "out", "--json")
    names = [f"{r}/cave_3/frame_{n:04d}.flo" for r in ("clean", "final") for n in (1, 2)]
    assert files("out") == names
    found = json.loads(result.stdout)
    assert found["files"] == [f"out/{name}" for name in names]
    assert "bundler out/clean out/final" in found["next"]
    data = Path("out/final/cave_3/frame_0002.flo").read_bytes()
    assert np.frombuffer(data, "<i4", 2, 4).tolist() == [8, 6]
    assert np.frombuffer(data, "<f4", offset=12).reshape(6, 8, 2)[3, 4].tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("dataset", "frames", "place"), [("kitti2012", "image_0", ""), ("kitti2015", "image_2", "flow/")]
)
def test_kitti(dataset, frames, place):
    for number in (0, 1):
        for end in (10, 11):
            frame(f"kitti/testing/{frames}/{number:06d}_{end}.png")
    result = done("submission", dataset, "kitti", "-o", "out")
    assert result.stdout == "out\n"
    assert "next: upload" in result.stderr
    assert files("out") == [f"{place}000000_10.png", f"{place}000001_10.png"]
    stored = cv2.imread(f"out/{place}000001_10.png", cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.dtype == np.uint16
    assert stored[0, 0].tolist() == [1, 2**15 - 128, 2**15 + 96]  # B, G, R: valid, v, u


def test_spring():
    for camera in ("left", "right"):
        for number in (1, 2):
            frame(f"spring/test/0003/frame_{camera}/frame_{camera}_{number:04d}.png")
    done("submission", "spring", "spring", "-o", "out")
    assert files("out") == [
        f"0003/flow_{direction}_{camera}/flow_{direction}_{camera}_{number:04d}.flo5"
        for direction, number in (("BW", 2), ("FW", 1))
        for camera in ("left", "right")
    ]
    with h5py.File("out/0003/flow_BW_right/flow_BW_right_0002.flo5") as file:
        flow = file["flow"]
        assert isinstance(flow, h5py.Dataset)
        assert (flow.shape, flow.dtype) == ((6, 8, 2), np.float32)


def test_what_is_there_is_kept_or_replaced_only_as_asked():
    for end in (10, 11):
        frame(f"kitti/testing/image_2/000000_{end}.png")
        frame(f"kitti/testing/image_2/000001_{end}.png")
    done("submission", "kitti2015", "kitti", "-o", "out")
    assert "--resume keeps" in refusal(OutputError, "submission", "kitti2015", "kitti", "-o", "out")
    Path("out/flow/000001_10.png").unlink()
    before = Path("out/flow/000000_10.png").stat().st_mtime_ns
    found = json.loads(done("submission", "kitti2015", "kitti", "-o", "out", "--resume", "--json").stdout)
    assert (found["files"], found["kept"]) == (["out/flow/000001_10.png"], 1)
    assert Path("out/flow/000000_10.png").stat().st_mtime_ns == before
    assert "expected a benchmark of sintel" in refusal(UsageError, "submission", "things", "kitti", "-o", "x")
    Path("kitti/testing/image_2/000001_11.png").unlink()
    assert "000001_11.png, found nothing there" in refusal(InputError, "submission", "kitti2015", "kitti", "-o", "x")


def write(path, u):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_flow(path, FlowField(np.full((6, 8, 2), (u, 0), np.float32)))


def test_results_of_others_stand_beside_each_other():
    for name in ("Grove2", "Venus"):
        for number in (10, 11):
            frame(f"middlebury/other-data/{name}/frame{number}.png")
        write(f"middlebury/other-gt-flow/{name}/flow10.flo", 4)
        write(f"raft/{name}/flow10.flo", 5)
        write(f"gma/{name}.npy", 4.5)
    result = done("evaluate", "middlebury", "middlebury", "--flows", "raft", "--flows", "gma", "--json")
    found = json.loads(result.stdout)
    assert [(row["model"], row["headline"]["epe"]) for row in found["datasets"]] == [
        ("raft", 1), ("gma", 0.5), ("zero", 4),
    ]  # fmt: skip
    assert found["models"]["raft"] == {"flows": "raft"}
    assert [built.model for built in FLOWS.built] == ["zero"]
    table = done("evaluate", "middlebury", "middlebury", "--flows", "raft", "--model", "compact").stdout.splitlines()
    assert [line.split()[2] for line in table[1:4]] == ["raft", "compact", "zero"]
    Path("raft/Venus/flow10.flo").unlink()
    assert "middlebury Venus, found no" in refusal(
        InputError, "evaluate", "middlebury", "middlebury", "--flows", "raft"
    )


def test_a_pair_list_takes_results_by_name():
    frame("a.png")
    frame("b.png")
    write("truth.flo", 2)
    Path("pairs.csv").write_text("dataset,name,frame1,frame2,flow\nmine,one,a.png,b.png,truth.flo\n")
    write("results/mine/one.npy", 3)
    found = json.loads(done("evaluate", "--pairs", "pairs.csv", "--flows", "results", "--json").stdout)
    assert found["datasets"][0]["headline"]["epe"] == 1
