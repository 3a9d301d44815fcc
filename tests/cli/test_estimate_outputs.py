"""What an estimate writes besides files of flow: streams, lists of files, confidence, placed legends."""

import json
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.estimate import estimate
from flowcli.errors import FlowcliError, UsageError
from flowcli.flow import FlowField

app = typer.Typer()
app.command()(estimate)
FLOWS = ConstantFlows({"compact": (3, -4)})


@pytest.fixture(autouse=True)
def frames(monkeypatch, tmp_path):
    """Four frames of 20x14."""
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("frames").mkdir()
    for k in range(4):
        Image.new("RGB", (20, 14), (40 * k, 90, 10)).save(f"frames/{k}.png")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments):
    result = run(*arguments)
    assert isinstance(result.exception, FlowcliError), result.output
    assert isinstance(result.exception, UsageError)
    assert result.stdout_bytes == b""
    return str(result.exception)


def test_flow_is_a_stream_of_whole_files():
    data = run("frames", "-o", "-").stdout_bytes
    size = 12 + 20 * 14 * 8
    assert len(data) == 3 * size
    for k in range(3):
        one = data[k * size : (k + 1) * size]
        assert one[:4] == b"PIEH"
        assert np.frombuffer(one, "<i4", 2, 4).tolist() == [20, 14]
        assert (np.frombuffer(one, "<f4", offset=12).reshape(14, 20, 2) == (3, -4)).all()


def test_raw_flow_has_no_headers():
    data = run("frames/0.png", "frames/1.png", "-o", "-", "--raw").stdout_bytes
    assert (np.frombuffer(data, np.float32).reshape(14, 20, 2) == (3, -4)).all()


def test_pictures_are_a_video_that_ffmpeg_reads(ffmpeg):
    assert run("frames", "-v", "pictures/", "--scale", "8").exit_code == 0
    with Image.open("pictures/0.png") as picture:
        expected = np.asarray(picture)
    data = run("frames", "-v", "-", "--scale", "8", "--fps", "30000/1001").stdout_bytes
    assert data.startswith(b"YUV4MPEG2 W20 H14 F30000:1001 Ip A1:1 C444\n")
    raw = ffmpeg("-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-", data=data)
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 14, 20, 3)
    assert len(frames) == 3
    assert np.abs(frames.astype(int) - expected).max() <= 3
    raw = run("frames", "-v", "-", "--scale", "8", "--raw").stdout_bytes
    np.testing.assert_array_equal(np.frombuffer(raw, np.uint8).reshape(3, 14, 20, 3), np.stack([expected] * 3))


def test_another_output_may_go_to_a_file():
    result = run("frames", "-o", "-", "-v", "flow.mp4")
    assert len(result.stdout_bytes) == 3 * (12 + 20 * 14 * 8)
    assert Path("flow.mp4").stat().st_size > 0


def test_a_stream_takes_one_kind_of_result():
    assert "takes one kind of result" in refusal("frames", "-o", "-", "-v", "-")
    assert "takes one kind of result" in refusal("frames", "-o", "-", "--backward")
    assert "--json cannot go" in refusal("frames", "-o", "-", "--json")
    assert "--raw is for standard output" in refusal("frames", "-o", "flows/", "--raw")
    assert FLOWS.built == []


def test_json_names_every_file():
    found = json.loads(run("frames", "-o", "flows/", "-v", "flow.mp4", "--backward", "--json").stdout)
    assert found["outputs"] == ["flows", "flow.mp4", "flows.backward", "flow.backward.mp4"]
    written = {str(path) for path in Path().rglob("*") if path.is_file() and path.parts[0] != "frames"}
    assert set(found["files"]) == written
    assert len(found["files"]) == 8
    assert found["fault"] is None


def test_confidence_is_what_both_directions_agree_on():
    import cv2

    from flowcli.coarse_to_fine.consistency import find_confidence, find_occlusion

    assert run("frames", "--confidence", "sure/", "--occlusion", "hidden/", "-o", "flow/", "--backward").exit_code == 0
    level = cv2.imread("sure/0.png")
    assert level is not None
    # (3, -4) both ways: inside the picture they disagree, outside there is nothing to agree with.
    field = FlowField(np.full((14, 20, 2), (3, -4), np.float32))
    expected = np.rint(255 * find_confidence(field, field)).astype(np.uint8)
    np.testing.assert_array_equal(level, np.repeat(expected[..., None], 3, axis=2))
    mask = cv2.imread("hidden/0.png")
    assert mask is not None
    hidden = mask[..., 0] == 255
    np.testing.assert_array_equal(hidden, find_occlusion(field, field))
    assert (level[..., 0][hidden] < 128).all()
    assert sorted(str(path) for path in Path("sure").iterdir()) == [f"sure/{k}.png" for k in range(3)]


def test_the_legend_can_be_placed():
    assert run("frames/0.png", "frames/1.png", "-v", "plain.png", "--scale", "8").exit_code == 0
    assert run("frames/0.png", "frames/1.png", "-v", "key.png", "--scale", "8", "--legend-at", "outside").exit_code == 0
    with Image.open("plain.png") as plain, Image.open("key.png") as key:
        assert plain.size == (20, 14)
        assert key.width > 50
        np.testing.assert_array_equal(np.asarray(key)[:14, :20], np.asarray(plain))


@pytest.mark.slow
def test_a_pipe_to_ffmpeg_and_a_reader_that_goes(tmp_path):
    command = [sys.executable, "-m", "flowcli", "estimate", "frames", "--model", "zero"]
    producer = subprocess.Popen([*command, "-v", "-"], stdout=subprocess.PIPE)
    consumer = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-f",
        "yuv4mpegpipe",
        "-i",
        "-",
        "-c:v",
        "ffv1",
        "out.mkv",
    ]
    assert subprocess.run(consumer, stdin=producer.stdout).returncode == 0
    assert producer.stdout is not None
    producer.stdout.close()
    assert producer.wait() == 0
    assert Path("out.mkv").stat().st_size > 0
    gone = subprocess.Popen([*command, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert gone.stdout is not None and gone.stderr is not None
    gone.stdout.close()
    assert gone.stderr.read() == b""
    assert gone.wait() == 141
    gone.stderr.close()
