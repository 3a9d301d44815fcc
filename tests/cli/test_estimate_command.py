import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from constant_flow import ConstantFlow, ConstantFlows
from typer.testing import CliRunner

from flowcli.cli.estimate import estimate
from flowcli.errors import FlowcliError
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image, write_image

app = typer.Typer()
app.command()(estimate)
FLOWS = ConstantFlows({"compact": (3, -2), "dis": (3, -2)})


@pytest.fixture(autouse=True)
def fake(monkeypatch, tmp_path):
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def images(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (36, 48, 3), np.uint8)
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, frame)
    return ["a.png", "b.png"]


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str) -> str:
    """The message of a request that must fail before the network is loaded."""
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert FLOWS.built == []
    assert result.stdout == ""
    text = str(result.exception)
    assert "\n" not in text
    return text


def test_two_images_give_flow_and_picture_in_the_current_folder(images):
    result = run(*images)
    assert result.exit_code == 0
    assert result.stdout.split() == ["a.flo", "a.flow.png"]
    assert sorted(p.name for p in Path().iterdir()) == ["a.flo", "a.flow.png", "a.png", "b.png"]
    assert (cv2.readOpticalFlow("a.flo") == (3, -2)).all()
    assert read_image("a.flow.png").shape == (36, 48, 3)


def test_flow_alone_and_picture_alone(images):
    assert run(*images, "-o", "flow.pfm").exit_code == 0
    assert run(*images, "-v", "picture.jpg").exit_code == 0
    assert {p.name for p in Path().iterdir()} == {"a.png", "b.png", "flow.pfm", "picture.jpg"}


def test_json_is_one_object_with_outputs_size_seconds_and_settings(images):
    result = run(*images, "-o", "out.npz", "--json", "--model", "dis")
    report = json.loads(result.stdout)
    assert report["outputs"] == ["out.npz"]
    assert report["pairs"] == 1
    assert report["size"] == {"width": 48, "height": 36}
    assert report["seconds"] >= 0
    assert report["settings"]["model"] == "dis"


def test_two_images_into_a_folder_in_a_chosen_format(images):
    assert run(*images, "-o", "flows/", "--format", "kitti").exit_code == 0
    assert (read_flow("flows/a.png").uv == (3, -2)).all()


def test_resize_keeps_the_grid_and_the_units_of_the_original(images):
    assert run(*images, "-o", "out.flo", "--resize", "24x9").exit_code == 0
    flow = read_flow("out.flo")
    assert flow.size == (36, 48)
    # (3, -2) on a grid half as wide and a quarter as high.
    np.testing.assert_allclose(flow.uv[..., 0], 6, rtol=1e-6)
    np.testing.assert_allclose(flow.uv[..., 1], -8, rtol=1e-6)


def test_backward_and_occlusion_have_their_own_files(images):
    result = run(*images, "-o", "out.flo", "-v", "out.png", "--backward", "--occlusion", "hidden.png")
    assert result.stdout.split() == ["out.flo", "out.png", "out.backward.flo", "out.backward.png", "hidden.png"]
    mask = read_image("hidden.png")
    # The fake's two directions contradict each other everywhere.
    assert (mask == 255).all()


def test_occlusion_alone_writes_only_the_mask(images):
    assert run(*images, "--occlusion", "hidden.png").exit_code == 0
    assert {p.name for p in Path().iterdir()} == {"a.png", "b.png", "hidden.png"}


def test_backward_flow_is_never_dropped_for_the_mask(images):
    result = run(*images, "--backward", "--occlusion", "hidden.png")
    flow = ["a.flo", "a.flow.png", "a.backward.flo", "a.flow.backward.png"]
    assert result.stdout.split() == [*flow, "hidden.png"]


def test_existing_output_is_kept_unless_overwrite_is_said(images):
    Path("out.flo").write_bytes(b"precious")
    assert "out.flo: already exists; use --overwrite" in refusal(*images, "-o", "out.flo")
    assert Path("out.flo").read_bytes() == b"precious"
    assert run(*images, "-o", "out.flo", "--overwrite").exit_code == 0
    assert read_flow("out.flo").size == (36, 48)


def test_existing_default_outputs_and_files_in_a_folder_are_kept(images):
    Path("a.flow.png").write_bytes(b"precious")
    assert "a.flow.png: already exists" in refusal(*images)
    Path("flows").mkdir()
    Path("flows/a.flo").write_bytes(b"precious")
    assert "flows/a.flo: already exists" in refusal(*images, "-o", "flows")


def test_truncated_image(images):
    data = Path("b.png").read_bytes()
    Path("b.png").write_bytes(data[: len(data) // 2])
    assert "b.png" in refusal(*images)


def test_text_file_named_png(images):
    Path("b.png").write_text("not a picture")
    assert "b.png" in refusal(*images)


def test_missing_file_and_empty_glob(images):
    assert refusal("a.png", "c.png") == "c.png: no such file or folder"
    assert refusal("c*.png") == "c*.png: no file matches this pattern"


def test_unequal_sizes(images):
    write_image("b.png", np.zeros((36, 50, 3), np.uint8))
    assert "b.png: expected 48x36 as in a.png, found 50x36" in refusal(*images)


def test_output_folder_missing_or_not_writable(images, monkeypatch):
    assert "the folder nowhere does not exist" in refusal(*images, "-o", "nowhere/out.flo")
    # Tests may run as root, to whom every folder is writable.
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "is not writable" in refusal(*images, "-o", "out.flo")
    assert "is not writable" in refusal(*images, "-o", "flows/")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "out.xyz"], "out.xyz: expected a flow file ending in"),
        (["-v", "out.flo"], "-o writes flow data"),
        (["-v", "out.xyz"], "out.xyz: expected a picture or video ending in"),
        (["-o", "x.png", "-v", "x.png"], "named for two outputs"),
        (["-o", "x.flo", "--format", "pfm"], "--format pfm is for the files in a folder"),
        (["-o", "x/", "--format", "doc"], "expected a flow format of flo"),
        (["--size", "48x36"], "--size is for raw frames"),
        (["--scale", "0"], "expected a scale in pixels greater than 0"),
        (["--resize", "99999x99999"], "expected at most"),
        (["--end", "1"], "1 of the 2 there are selected"),
        (["-o", "a.png/x/"], "the folder cannot be made"),
        (["-o", "a.png/"], "a.png: expected a folder, found a file"),
    ],
)
def test_requests_that_cannot_work_are_refused_before_the_network_is_loaded(images, arguments, expected):
    assert expected in refusal(*images, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "48"],
        ["--start", "soon"],
        ["--stride", "0"],
        ["--resize", "0"],
        ["--resize", "big"],
        ["--fps", "0"],
        ["--fps", "1/0"],
        ["--style", "plaid"],
        ["--initial-flow", "farneback"],
        ["--threads", "many"],
    ],
)
def test_wrong_option_values_are_usage_errors(images, arguments):
    result = run(*images, *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr
    assert FLOWS.built == []


def test_one_image_and_a_mixture_are_refused(images):
    assert "got a single image" in refusal("a.png")
    Path("notes.txt").write_text("x")
    assert "notes.txt: expected an image" in refusal("a.png", "notes.txt")
    assert "-o x.flo" not in refusal("a.png", ".")


def test_the_estimators_own_faults_are_raised_and_leave_no_file(images, monkeypatch):
    def broken(self, pairs):
        raise FlowcliError("no more memory")

    monkeypatch.setattr(ConstantFlow, "estimate", broken)
    result = run(*images, "-o", "out.flo", "-v", "out.png")
    assert str(result.exception) == "no more memory"
    assert {p.name for p in Path().iterdir()} == {"a.png", "b.png"}


def test_styles_offered_are_those_of_the_table():
    from typing import get_args

    from flowcli.cli.options import Style
    from flowcli.viz import STYLES

    assert get_args(Style) == tuple(STYLES)
