"""`flowcli view`, and the pages of estimate and evaluate, as files; tests/browser opens pages."""

import base64
import csv
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.cli.view_inputs import find_kind
from flowcli.errors import FlowcliError
from flowcli.evaluation.difference import compare_flows
from flowcli.flow import FlowField
from flowcli.io.flow import read_flow, write_flow
from flowcli.io.image import write_image

SIZE = (24, 36)


def run(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, FlowcliError), result.output
    return str(result.exception)


def content(path: str | Path) -> dict:
    text = Path(path).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1]) | {"text": text}


def block(page: dict, number: int) -> bytes:
    found = re.search(rf'id="block-{number}">([^<]*)<', page["text"])
    assert found is not None
    return base64.b64decode(found[1])


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    """Four noisy frames, three flows for them and three others, and a list of pairs."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for folder in ("frames", "flows", "others"):
        Path(folder).mkdir()
    for number in range(4):
        write_image(f"frames/{number}.png", random.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
    for number in range(3):
        for folder in ("flows", "others"):
            write_flow(f"{folder}/{number}.flo", FlowField(random.normal(0, 2, (*SIZE, 2)).astype(np.float32)))
    write_flow("kitti.png", FlowField(np.ones((*SIZE, 2), np.float32)))
    with Path("pairs.csv").open("w", newline="") as file:
        rows = [["made", f"p{k}", f"frames/{k}.png", f"frames/{k + 1}.png", f"flows/{k}.flo"] for k in range(2)]
        csv.writer(file).writerows([["dataset", "name", "frame1", "frame2", "flow"], *rows])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("flows", "flow"),
        ("flows/0.flo", "flow"),
        ("flows/*.flo", "flow"),
        ("kitti.png", "flow"),
        ("frames", "frames"),
        ("frames/0.png", "image"),
        ("frames/*.png", "frames"),
        ("pairs.csv", "pairs"),
    ],
)
def test_what_is_given_is_told_by_suffix_and_content(text, kind):
    assert find_kind(text) == kind


def test_a_deep_picture_is_no_flow():
    write_image("deep.png", np.zeros((*SIZE, 3), np.uint8))
    import cv2

    cv2.imwrite("deep.png", np.random.default_rng(0).integers(0, 65536, (*SIZE, 3)).astype(np.uint16))
    assert find_kind("deep.png") == "image"


@pytest.mark.parametrize("frames", [["--frames", "frames/0.png", "frames/1.png"], ["--frames", "frames/0.png"], []])
def test_one_flow(frames):
    run("view", "flows/0.flo", *frames, "-o", "page.html")
    page = content("page.html")
    (pair,) = page["pairs"]
    assert (pair["height"], pair["width"]) == SIZE
    assert [frame is not None for frame in pair["frames"]] == [len(frames) > 1, len(frames) > 2]
    (flow,) = pair["flows"]
    assert (flow["kind"], flow["exact"]) == ("float32", True)
    assert len(zlib.decompress(block(page, flow["u"]["block"]))) == 4 * SIZE[0] * SIZE[1]
    assert page["title"] == "0.flo"


def test_a_folder_of_flow_with_its_frames():
    run("view", "flows", "--frames", "frames", "--fps", "10", "-o", "page.html")
    page = content("page.html")
    assert [pair["name"] for pair in page["pairs"]] == ["0", "1", "2"]
    assert [pair["frames"] for pair in page["pairs"]] == [[0, 1], [1, 2], [2, 3]]
    assert [pair["time"] for pair in page["pairs"]] == [0, 0.1, 0.2]


def test_two_flows_have_the_errors_of_diff():
    run("view", "flows", "others", "-o", "page.html")
    page = content("page.html")
    assert page["labels"] == ["flows", "others"]
    for number, pair in enumerate(page["pairs"]):
        expected = compare_flows(read_flow(f"flows/{number}.flo"), read_flow(f"others/{number}.flo")).errors
        assert pair["errors"]["epe"] == expected.value("epe")
        assert pair["errors"]["fl"] == expected.value("fl")


def test_frames_are_estimated_and_compared():
    run("view", "frames/0.png", "frames/1.png", "flows/0.flo", "--model", "zero", "-o", "page.html")
    page = content("page.html")
    truth = read_flow("flows/0.flo")
    assert page["pairs"][0]["errors"]["epe"] == pytest.approx(float(truth.magnitude().mean()), rel=1e-6)
    assert page["pairs"][0]["occluded"] is not None
    assert page["pairs"][0]["confidence"] is not None
    assert ["model", "zero"] in page["about"]
    run("view", "frames", "--model", "zero", "--no-occlusion", "-o", "clip.html")
    page = content("clip.html")
    assert len(page["pairs"]) == 3
    assert page["pairs"][0]["occluded"] is None


def test_a_list_of_pairs():
    run("view", "pairs.csv", "--model", "zero", "-o", "page.html")
    page = content("page.html")
    assert [pair["name"] for pair in page["pairs"]] == ["made p0", "made p1"]
    assert page["labels"] == ["zero", "truth"]
    assert all(pair["errors"]["epe"] > 0 for pair in page["pairs"])


def test_a_long_clip_is_thinned_out_and_says_so(monkeypatch):
    random = np.random.default_rng(1)
    Path("long").mkdir()
    for number in range(41):
        write_image(f"long/{number:02d}.png", random.integers(0, 256, (60, 90, 3)).astype(np.uint8))
    result = run("view", "long", "--model", "zero", "--no-occlusion", "--size-limit", "0.5", "-o", "page.html")
    page = content("page.html")
    assert Path("page.html").stat().st_size < 500_000
    assert page["notes"] == [result.stderr.strip()]
    assert result.stderr.startswith(f"one of {40 // len(page['pairs'])} pairs is shown: {len(page['pairs'])} of 40")


def test_without_a_name_the_browser_is_opened(monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)) or True)
    result = run("view", "flows/0.flo")
    path = Path(result.stdout.strip())
    assert result.stdout.count("\n") == 1
    assert opened == [path.as_uri()]
    assert content(path)["title"] == "0.flo"
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing.flo"], "no such file"),
        (["flows/0.flo", "flows/1.flo", "flows/2.flo"], "got flow, flow, flow"),
        (["frames", "--frames", "frames"], "--frames names the frames of flow files"),
        (["flows", "others/0.flo"], "expected 3 flow files to compare with, found 1"),
        (["flows", "--frames", "frames/0.png", "frames/1.png"], "expected 4 frames for 3 flow files"),
        (["flows/0.flo", "--size-limit", "nan"], "--size-limit: expected MB from 0.2 to 2000"),
        (["flows/0.flo", "-o", "flows/0.flo"], "already exists"),
        (["flows/0.flo", "-o", "flows/0.flo", "--overwrite"], "the input itself"),
        (["flows/0.flo", "--stride", "2"], "name those with --frames"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(arguments, expected):
    output = [] if "-o" in arguments else ["-o", "page.html"]
    assert expected in refusal("view", *arguments, *output)
    assert not Path("page.html").exists()


def test_estimate_gives_a_page_as_well():
    shown = run("estimate", "frames", "-o", "out/", "--model", "zero", "--backward", "--view", "page.html")
    assert shown.stdout.splitlines()[-1] == "page.html"
    page = content("page.html")
    assert len(page["pairs"]) == 3
    assert page["pairs"][0]["occluded"] is not None
    assert "--resume" in refusal("estimate", "frames", "-o", "out/", "--model", "zero", "--view", "p.html", "--resume")
    assert "already exists" in refusal("estimate", "frames", "-o", "o/", "--model", "zero", "--view", "page.html")


def test_evaluate_gives_a_page_of_the_worst_pairs():
    run("evaluate", "--pairs", "pairs.csv", "--model", "dis", "--save-worst", "2", "-o", "worst")
    page = content("worst/zero_worst.html")
    errors = [pair["errors"]["epe"] for pair in page["pairs"]]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) == 2
    assert page["labels"] == ["zero", "truth"]
    assert Path("worst/dis_worst.html").exists()
