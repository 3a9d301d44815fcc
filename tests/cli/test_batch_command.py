import errno
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from typer.testing import CliRunner

from flowcli.cli.batch import batch
from flowcli.errors import FlowcliError, InputError
from flowcli.io.image import write_image

app = typer.Typer()
app.command()(batch)
FLOWS = ConstantFlows({"compact": (2, 1)})


@pytest.fixture(autouse=True)
def fake(monkeypatch, tmp_path):
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clips(make_video, moving_frames):
    Path("in").mkdir()
    make_video("in/one.mp4", moving_frames(5))
    make_video("in/two.mkv", moving_frames(4))
    return "in"


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_videos_become_videos_and_a_second_run_says_the_same(clips, decode):
    for _ in range(2):
        result = run("in", "-o", "out")
        assert result.exit_code == 0
        assert result.stdout.split() == ["out/one.flow.mp4", "out/two.flow.mp4"]
    assert [len(decode(f"out/{name}.flow.mp4")) for name in ("one", "two")] == [4, 3]
    assert {path.name for path in Path("out").iterdir()} == {".flowcli", "one.flow.mp4", "two.flow.mp4"}


def test_flow_and_pictures_together(clips):
    result = run("in", "-o", "out", "--format", "npz", "-v", "webm", "--json")
    report = json.loads(result.stdout)
    assert report["pairs"] == 7
    assert report["settings"] == {"model": "compact"}
    assert report["items"][0] == {
        "name": "one",
        "outputs": ["out/one", "out/one.flow.webm"],
        "fault": None,
        "pairs": 4,
        "skipped": False,
        "files": [*(f"out/one/one_{k:06d}.npz" for k in range(4)), "out/one.flow.webm"],
    }
    assert len(list(Path("out/one").glob("*.npz"))) == 4


def test_a_pair_of_a_list_gets_flow_and_picture():
    for name in ("a.png", "b.png"):
        write_image(name, np.zeros((8, 9, 3), np.uint8))
    Path("pairs.csv").write_text("name,frame1,frame2\nfirst,a.png,b.png\n")
    assert run("pairs.csv", "-o", "out").stdout.split() == ["out/first.flo", "out/first.flow.png"]


def test_masks_come_beside_the_default_output(clips):
    Path("in/two.mkv").unlink()
    result = run("in", "-o", "out", "--occlusion", "--backward")
    expected = ["out/one.flow.mp4", "out/one.flow.backward.mp4", "out/one.occlusion.mp4"]
    assert result.stdout.split() == expected
    assert {path.as_posix() for path in Path("out").glob("*.*")} >= set(expected)


def test_bad_inputs_are_listed_at_the_end(clips):
    Path("in/bad.mp4").write_text("no video")
    result = run("in", "-o", "out")
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "1 of 3 inputs could not be used or not to their end; listed above"
    assert result.stdout.split() == ["out/one.flow.mp4", "out/two.flow.mp4"]
    assert result.stderr.startswith("bad: in/bad.mp4: expected an image or a video")
    assert result.stderr.count("\n") == 1
    assert run("in", "-o", "out", "--json").stdout.count('"fault": null') == 2


def test_parts_of_a_batch(clips):
    assert run("in", "-o", "out", "--shard", "2/2").stdout.split() == ["out/two.flow.mp4"]
    assert run("in", "-o", "out", "--shard", "1/2").stdout.split() == ["out/one.flow.mp4"]
    assert json.loads(run("in", "-o", "out", "--json").stdout)["items"][1]["skipped"]


def test_stop_at_the_first_bad_input(clips):
    Path("in/bad.mp4").write_text("no video")
    result = run("in", "-o", "out", "--stop")
    assert isinstance(result.exception, InputError)
    assert result.stdout == ""
    assert not Path("out/one.flow.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere", "-o", "out"], "nowhere: no such file or folder"),
        (["in", "-o", "in"], "is both input and output"),
        (["in", "-o", "out", "--format", "doc"], "expected a flow format of"),
        (["in", "-o", "out", "-v", "gif"], "expected a picture format of mp4, webm, mov, mkv, png"),
        (["in", "-o", "out", "--scale", "-1"], "expected a scale in pixels"),
    ],
)
def test_requests_that_cannot_work_are_refused_before_the_network_is_loaded(clips, arguments, expected):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError)
    assert expected in str(result.exception)
    assert FLOWS.built == []
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["in"], *(["in", "-o", "out", *wrong] for wrong in (["--start", "x"], ["--shard", "3/2"]))],
)
def test_wrong_usage(clips, arguments):
    assert run(*arguments).exit_code == 2


def test_a_file_system_without_locks_is_said_in_one_line(clips, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    result = run("in", "-o", "out")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"out: this file system can't lock; {Path('out/.flowcli/marker')} keeps other batches out instead"
    ]
    assert {path.name for path in Path("out").iterdir()} == {".flowcli", "one.flow.mp4", "two.flow.mp4"}
