import json
from pathlib import Path

import av
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flowcli.cli import options
from flowcli.cli.render import render
from flowcli.errors import FlowcliError, InputError
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import read_image, write_image
from flowcli.viz import STYLES
from flowcli.viz import render as draw

app = typer.Typer()
app.command()(render)


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert result.stdout == ""
    text = str(result.exception)
    assert "\n" not in text
    return text


def make_field(length: float, height: int = 32, width: int = 48) -> FlowField:
    uv = np.zeros((height, width, 2), np.float32)
    uv[..., 0] = length
    return FlowField(uv)


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    """Three flow files of growing speed and the four frames that belong to them."""
    monkeypatch.chdir(tmp_path)
    Path("flows").mkdir()
    Path("frames").mkdir()
    for number in range(3):
        write_flow(f"flows/f{number}.flo", make_field(2.0 + number))
    for number in range(4):
        write_image(f"frames/f{number}.png", np.full((32, 48, 3), 40 * number + 20, np.uint8))


def test_one_flow_gives_a_picture_here():
    result = run("flows/f0.flo")
    assert result.exit_code == 0, result.output
    assert result.stdout == "f0.flow.png\n"
    np.testing.assert_array_equal(read_image("f0.flow.png"), draw(make_field(2)))


@pytest.mark.parametrize("style", list(STYLES))
def test_every_style_for_one_flow(style):
    frames = ["--frames", "frames/f0.png", "--frames", "frames/f1.png"]
    result = run("flows/f0.flo", "-o", "out.png", "--style", style, "--scale", "3", "--legend", *frames)
    assert result.exit_code == 0, result.output
    frame, frame2 = read_image("frames/f0.png"), read_image("frames/f1.png")
    expected = draw(make_field(2), style, 3, True, frame, frame2)
    np.testing.assert_array_equal(read_image("out.png"), expected)


def test_the_styles_of_the_help_are_those_of_the_table():
    assert options.Style.__args__ == tuple(STYLES)


def test_one_image_is_enough_for_one_overlay():
    assert run("flows/f0.flo", "-o", "out.png", "--style", "overlay", "--frames", "frames/f0.png").exit_code == 0
    assert "second frame" in refusal("flows/f0.flo", "-o", "w.png", "--style", "warp", "--frames", "frames/f0.png")


def test_a_folder_of_flow_gives_a_folder_of_pictures_with_one_scale():
    result = run("flows", "-o", "pictures/", "--json")
    report = json.loads(result.stdout)
    assert report == {"outputs": ["pictures"], "pictures": 3, "style": "wheel", "scale": report["scale"]}
    assert 4 <= report["scale"] <= 5
    for number in range(3):
        expected = draw(make_field(2.0 + number), scale=report["scale"])
        np.testing.assert_array_equal(read_image(f"pictures/f{number}.png"), expected)


def test_a_video_has_every_picture_and_the_rate():
    result = run("flows", "-o", "out.mp4", "--style", "side-by-side", "--frames", "frames", "--fps", "10")
    assert result.exit_code == 0, result.output
    assert result.stdout == "out.mp4\n"
    with av.open("out.mp4") as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == 10
    assert len(pictures) == 3
    assert pictures[0].shape == (32, 96, 3)
    assert [round(float(picture[:, :40].mean()), -1) for picture in pictures] == [20, 60, 100]


def test_the_frames_are_chosen_as_they_were_for_the_estimate():
    for number in range(4, 8):
        write_image(f"frames/f{number}.png", np.full((32, 48, 3), 20 * number + 20, np.uint8))
    chosen = ["--start", "1", "--end", "8", "--stride", "2", "--scale", "9", "--style", "side-by-side"]
    assert run("flows", "-o", "pictures/", "--frames", "frames", *chosen).exit_code == 0
    for number, value in enumerate((60, 140, 120)):
        assert (read_image(f"pictures/f{number}.png")[:, :48] == value).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flows"], "say where 3 pictures go"),
        (["flows", "-o", "out.png"], "expected a folder/ or a video for 3 flow files"),
        (["flows/f0.flo", "-o", "out.xyz"], "expected a picture or video"),
        (["nothing.flo"], "no such file"),
        (["frames/f0.png"], "a picture of flow cannot be read back"),
        (["flows/f0.flo", "--style", "overlay"], "name them with --frames"),
        (["flows", "-o", "out.mp4", "--style", "overlay", "--frames", "frames/f0.png"], "single image"),
        (["flows/f0.flo", "--style", "overlay", "--frames", "frames"], "expected 2 frames for 1 flow file"),
        (["flows/f0.flo", "--start", "1"], "name those with --frames"),
        (["flows/f0.flo", "--scale", "0"], "scale in pixels greater than 0"),
        (["flows/f0.flo", "-o", "missing/out.png"], "does not exist"),
    ],
)
def test_refusals(arguments, message):
    assert message in refusal(*arguments)
    assert sorted(path.name for path in Path().iterdir()) == ["flows", "frames"]


def test_nothing_is_overwritten_unasked():
    write_image("f0.flow.png", np.zeros((1, 1, 3), np.uint8))
    assert "already exists" in refusal("flows/f0.flo")
    assert read_image("f0.flow.png").shape == (1, 1, 3)
    assert run("flows/f0.flo", "--overwrite").exit_code == 0
    assert read_image("f0.flow.png").shape == (32, 48, 3)


def test_sizes_may_differ_in_a_folder_but_not_in_a_video():
    write_flow("flows/f9.flo", make_field(1, 20, 30))
    assert run("flows", "-o", "pictures/").exit_code == 0
    result = run("flows", "-o", "out.mp4")
    assert isinstance(result.exception, InputError)
    assert "f9.flo: expected 48x32 as the first flow of the video, found 30x20" in str(result.exception)
    assert not Path("out.mp4").exists()
