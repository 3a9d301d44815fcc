import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flowcli import __version__
from flowcli.cli import info as info_module
from flowcli.cli.info import info
from flowcli.errors import FlowcliError, FormatError, WeightsError
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS, write_flow
from flowcli.io.image import write_image
from flowcli.io.video.formats import VIDEO_FORMATS

app = typer.Typer()
app.command()(info)


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_the_installation_as_json():
    report = json.loads(run("--json").stdout)
    assert report["flowcli"] == __version__
    packages = {entry["name"]: entry["version"] for entry in report["packages"]}
    assert packages["numpy"] == np.__version__
    assert report["devices"][0]["name"] == "cpu"
    assert {entry["name"] for entry in report["flow_formats"]} == set(FORMATS)
    assert {entry["name"] for entry in report["weights"]} >= {"compact", "perceiver-io"}
    assert {entry["name"]: entry["available"] for entry in report["video_codecs"]}[".mp4"] is True


def test_the_installation_as_text():
    result = run()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["flowcli", __version__]
    assert any(line.startswith("devices") and "cpu" in line for line in lines)


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(info_module._DISTRIBUTIONS, "a-package-that-is-not-there", "nothing")
    packages = {entry["name"]: entry["version"] for entry in json.loads(run("--json").stdout)["packages"]}
    assert packages["a-package-that-is-not-there"] == "not installed"


def test_weights_are_looked_for(monkeypatch):
    def locate(name):
        if name != "compact":
            raise WeightsError("not here")
        Path("w.safetensors").write_bytes(bytes(300_000))
        return Path("w.safetensors")

    monkeypatch.setattr("flowcli.checkpoints.store.locate", locate)
    weights = {entry["name"]: entry for entry in json.loads(run("--json").stdout)["weights"]}
    assert weights["compact"] == {"name": "compact", "path": "w.safetensors", "megabytes": 0.3}
    assert weights["perceiver-io"]["path"] == "not here"


def test_a_missing_encoder_is_said(monkeypatch):
    absent = dataclasses.replace(VIDEO_FORMATS[".mp4"], codec="an_encoder_that_is_not_there")
    monkeypatch.setitem(VIDEO_FORMATS, ".mp4", absent)
    codecs = {entry["name"]: entry["available"] for entry in json.loads(run("--json").stdout)["video_codecs"]}
    assert codecs == {".mp4": False, ".webm": True, ".mov": True, ".mkv": True, ".gif": True}


@pytest.mark.parametrize("suffix", list(FORMATS))
def test_what_a_flow_file_holds(suffix):
    uv = np.array([[[3, 4], [-6, 8], [0, 0], [9, 9]]], np.float32)
    write_flow(f"a{suffix}", FlowField(uv, np.array([[True, True, True, False]])))
    report = json.loads(run(f"a{suffix}", "--json").stdout)
    assert report["holds"] == "flow"
    assert report["format"].startswith(FORMATS[suffix].name)
    assert (report["width"], report["height"], report["known_percent"]) == (4, 1, 75)
    assert report["u_px"] == {"min": -6, "median": 0, "mean": -1, "p95": pytest.approx(2.7), "max": 3}
    assert report["length_px"] == {"min": 0, "median": 5, "mean": 5, "p95": pytest.approx(9.5), "max": 10}
    assert report["bytes"] == Path(f"a{suffix}").stat().st_size


def test_flow_without_a_known_pixel():
    write_flow("a.flo", FlowField(np.zeros((2, 3, 2), np.float32), np.zeros((2, 3), bool)))
    report = json.loads(run("a.flo", "--json").stdout)
    assert (report["known_percent"], report["length_px"]) == (0, None)
    assert "length px      none" in run("a.flo").stdout


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG")])
def test_what_an_image_holds(name, kind):
    write_image(name, np.zeros((5, 7, 3), np.uint8))
    report = json.loads(run(name, "--json").stdout)
    assert (report["holds"], report["format"], report["width"], report["height"]) == ("image", kind, 7, 5)


def test_refusals():
    Path("a.txt").write_text("hello")
    Path("a.flo").write_text("hello")
    Path("a.png").write_text("hello")
    assert "expected a flow file, an image (" in str(run("a.txt").exception)
    assert "no such file" in str(run("b.flo").exception)
    for name in ("a.flo", "a.png"):
        result = run(name)
        assert isinstance(result.exception, FormatError)
        assert isinstance(result.exception, FlowcliError)
        assert result.stdout == ""


def test_what_a_video_holds(make_video, moving_frames):
    path = make_video("clip.mkv", moving_frames(12), "-vf", "setsar=4/3")
    report = json.loads(run("clip.mkv", "--json").stdout)
    assert report == {
        "file": "clip.mkv",
        "holds": "video",
        "format": "h264 in matroska,webm",
        "bytes": path.stat().st_size,
        "width": 64,
        "height": 48,
        "pixel_aspect": "4/3",
        "frames": 12,
        "fps": 25.0,
        "steady": True,
        "seconds": 11 / 25,
        "pixels": "yuv420p",
        "depth": 8,
        "rotation": 0,
        "range": report["range"],
        "matrix": report["matrix"],
        "primaries": report["primaries"],
        "curve": report["curve"],
        "sound": [],
        "notes": [],
        "damage": None,
    }


def test_a_video_that_is_cut_says_so(make_video):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    path = make_video("clip.mkv", noise)
    path.write_bytes(path.read_bytes()[:-30_000])
    assert "cut short after frame" in run("clip.mkv").stdout


def test_depth_colour_and_rotation_of_a_video(make_video, moving_frames, ffmpeg):
    colour = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
    make_video("deep.mp4", moving_frames(3), "-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-x264-params", colour)
    ffmpeg("-display_rotation", "90", "-i", "deep.mp4", "-c", "copy", "turned.mp4")
    report = json.loads(run("turned.mp4", "--json").stdout)
    assert (report["depth"], report["matrix"], report["primaries"], report["curve"], report["range"]) == (
        10, "BT.709", "BT.709", "BT.709", "limited",
    )  # fmt: skip
    # Upright, as frames are read.
    assert (report["width"], report["height"], abs(report["rotation"])) == (48, 64, 90)


def test_what_a_folder_of_frames_holds():
    Path("frames").mkdir()
    for k in (1, 2, 4):
        cv2.imwrite(f"frames/{k:03d}.png", np.zeros((5, 7), np.uint16))
    report = json.loads(run("frames", "--json").stdout)
    assert [report[key] for key in ("holds", "frames", "width", "height", "depth", "channels")] == [
        "frames", 3, 7, 5, 16, 1,
    ]  # fmt: skip
    assert any("missing by number" in note for note in report["notes"])


def test_what_a_folder_of_flow_holds():
    Path("flows").mkdir()
    for k in range(3):
        write_flow(f"flows/{k}.flo", FlowField(np.full((2, 5, 2), (3 * k, 4 * k), np.float32)))
    report = json.loads(run("flows", "--json").stdout)
    assert [report[key] for key in ("holds", "format", "flows", "sizes", "known_percent", "mean_px", "p95_px")] == [
        "flow", "flo", 3, ["5x2"], 100, 5, 10,
    ]  # fmt: skip


def test_what_a_checkpoint_holds():
    import hashlib

    from flowcli.checkpoints.store import embedded_path

    path = embedded_path("compact")
    report = json.loads(run(str(path), "--json").stdout)
    assert report["holds"] == "checkpoint"
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["parameters"] > 10_000
    assert report["network"]["tile"]
    Path("broken.safetensors").write_bytes(b"\0" * 40)
    assert isinstance(run("broken.safetensors").exception, FlowcliError)
    Path("nothing").mkdir()
    assert "found none of them" in str(run("nothing").exception)
