"""`flowcli warp` on frames written and read by Pillow."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.warp import warp
from flowcli.errors import FlowcliError, InputError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow

app = typer.Typer()
app.command()(warp)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def refusal(kind, *arguments):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert isinstance(result.exception, kind)
    return str(result.exception)


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(autouse=True)
def scene(tmp_path, monkeypatch):
    """Three frames that move 4 px to the right each, and the two flows between them."""
    monkeypatch.chdir(tmp_path)
    texture = np.random.default_rng(0).integers(0, 256, (24, 60, 3), np.uint8)
    Path("frames").mkdir()
    Path("flows").mkdir()
    for k in range(3):
        Image.fromarray(texture[:, 12 - 4 * k : 52 - 4 * k]).save(f"frames/{k}.png")
    for k in range(2):
        write_flow(f"flows/{k}.flo", FlowField(np.full((24, 40, 2), (4, 0), np.float32)))
    return texture


def test_the_second_frame_comes_back():
    result = run("flows/0.flo", "frames/1.png", "-o", "back.png", "--mask", "mask.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["back.png", "mask.png"]
    mask = read("mask.png")[..., 0]
    assert (mask[:, :36] == 255).all() and (mask[:, 36:] == 0).all()
    np.testing.assert_array_equal(read("back.png")[:, :36], read("frames/0.png")[:, :36])
    assert (read("back.png")[:, 36:] == 0).all()


def test_the_first_frame_goes_ahead():
    assert run("flows/0.flo", "frames/0.png", "-o", "ahead.png", "--forward").exit_code == 0
    np.testing.assert_array_equal(read("ahead.png")[:, 4:], read("frames/1.png")[:, 4:])
    assert (read("ahead.png")[:, :4] == 0).all()


def test_halfway(scene):
    middle = scene[:, 10:50]
    for images, extra, columns in (
        (["frames/0.png"], ["--forward"], slice(2, 40)),
        (["frames/1.png"], [], slice(0, 38)),
        (["frames/0.png", "frames/1.png"], [], slice(0, 40)),
    ):
        result = run("flows/0.flo", *images, "-o", "half.png", "--time", "0.5", "--overwrite", *extra)
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(read("half.png")[:, columns], middle[:, columns])


def test_a_sequence_becomes_a_folder_or_a_video(decode):
    result = run("flows", "frames", "-o", "back/", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"outputs": ["back"], "files": ["back/0.png", "back/1.png"], "pictures": 2}
    np.testing.assert_array_equal(read("back/1.png")[:, :36], read("frames/1.png")[:, :36])
    assert run("flows", "frames", "-o", "between.mp4", "--time", "0.5").exit_code == 0
    assert decode("between.mp4").shape == (2, 24, 40, 3)


def test_wrong_requests_are_refused_before_anything_is_written():
    assert "expected a folder/ or a video for 2 flow files" in refusal(UsageError, "flows", "frames", "-o", "x.png")
    assert "say --time" in refusal(UsageError, "flows/0.flo", "frames/0.png", "frames/1.png", "-o", "x.png")
    assert "the input" in refusal(UsageError, "flows/0.flo", "frames/1.png", "-o", "frames/1.png", "--overwrite")
    assert "named for two outputs" in refusal(
        UsageError, "flows/0.flo", "frames/1.png", "-o", "x.png", "--mask", "x.png"
    )
    Image.new("RGB", (8, 8)).save("small.png")
    assert refusal(InputError, "flows/0.flo", "small.png", "-o", "x.png") == (
        "flows/0.flo: expected frame 2 of the size of the flow, 40x24, got 8x8"
    )
    assert run("flows/0.flo", "frames/1.png", "-o", "x.png", "--time", "1.5").exit_code == 2
    assert not Path("x.png").exists()
