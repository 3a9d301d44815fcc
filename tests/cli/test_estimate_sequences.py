import io
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from typer.testing import CliRunner

from flowcli.cli.estimate import estimate
from flowcli.errors import FlowcliError, InputError
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image, write_image

app = typer.Typer()
app.command()(estimate)
# What the square of the moving frames does.
FLOWS = ConstantFlows({"compact": (2, 1)})


@pytest.fixture(autouse=True)
def fake(monkeypatch, tmp_path):
    FLOWS.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def test_a_video_becomes_a_video_of_its_rate_with_a_frame_less(make_video, moving_frames, probe, decode):
    make_video("clip.mkv", moving_frames(30), rate="30000/1001")
    result = run("clip.mkv")
    assert result.exit_code == 0
    assert result.stdout == "clip.flow.mp4\n"
    info = probe("clip.flow.mp4")
    assert (info["codec"], info["pixels"], info["width"], info["height"]) == ("h264", "yuv420p", 64, 48)
    assert info["rate"] == 29.97
    assert info["duration"] == pytest.approx(29 * 1001 / 30000, abs=0.01)
    assert "model compact, style wheel, scale" in info["comment"]
    frames = decode("clip.flow.mp4")
    assert len(frames) == 29
    # Right and a little down is one colour everywhere and always.
    assert frames.std(axis=(0, 1, 2)).max() < 2
    assert {path.name for path in Path().iterdir()} == {"clip.mkv", "clip.flow.mp4"}


def test_flow_files_and_pictures_of_a_folder(moving_frames):
    Path("frames").mkdir()
    for k, frame in enumerate(moving_frames(12)):
        write_image(f"frames/{k}.png", frame)
    result = run("frames", "-o", "flows/", "--format", "pfm", "-v", "pictures/", "--scale", "4", "--backward")
    assert result.stdout.split() == ["flows", "pictures", "flows.backward", "pictures.backward"]
    assert sorted(path.name for path in Path("flows").iterdir()) == sorted(f"{k}.pfm" for k in range(11))
    assert len(list(Path("pictures.backward").iterdir())) == 11
    assert (read_flow("flows/10.pfm").uv == (2, 1)).all()
    pictures = [read_image(path) for path in Path("pictures").iterdir()]
    assert all((picture == pictures[0]).all() for picture in pictures)


@pytest.mark.parametrize("style", ["overlay", "side-by-side", "warp", "arrows"])
def test_styles_that_show_the_frames(make_video, moving_frames, decode, style):
    make_video("clip.mp4", moving_frames(4))
    assert run("clip.mp4", "-v", "out.webm", "--style", style).exit_code == 0
    frames = decode("out.webm")
    assert frames.shape == (3, 48, 128 if style == "side-by-side" else 64, 3)
    assert frames.std() > 5


def test_occlusion_of_a_video(make_video, moving_frames, decode):
    make_video("clip.mp4", moving_frames(4))
    assert run("clip.mp4", "--occlusion", "hidden.mp4").exit_code == 0
    # The fake's two directions contradict each other.
    assert decode("hidden.mp4").min() > 250


def test_selection_and_stride_keep_duration(make_video, moving_frames, probe):
    make_video("clip.mp4", moving_frames(41))
    result = run(
        "clip.mp4", "--start", "0.4s", "--end", "33", "--stride", "4", "-o", "flows", "-v", "out.gif", "--json"
    )
    report = json.loads(result.stdout)
    assert report["outputs"] == ["flows", "out.gif"]
    assert report["pairs"] == 5
    assert [path.stem for path in sorted(Path("flows").iterdir())] == [f"clip_{k:06d}" for k in range(10, 30, 4)]
    assert probe("out.gif")["duration"] == pytest.approx(5 * 4 / 25, abs=0.011)


def test_raw_frames_on_stdin(moving_frames, decode):
    data = moving_frames(9).tobytes()
    result = run("-", "--size", "64x48", "--fps", "10", "-o", "flows/", "-v", "out.mp4", stdin=data)
    assert result.exit_code == 0
    assert sorted(path.name for path in Path("flows").iterdir()) == [f"frame_{k:06d}.flo" for k in range(8)]
    assert len(decode("out.mp4")) == 8
    assert run("-", "--size", "64x48", stdin=data).stdout == "stdin.flow.mp4\n"


def test_raw_frames_never_replace_a_file(moving_frames):
    Path("flows").mkdir()
    Path("flows/frame_000003.flo").write_bytes(b"precious")
    result = run("-", "--size", "64x48", "-o", "flows/", stdin=moving_frames(9).tobytes())
    assert "frame_000003.flo: already exists" in str(result.exception)
    assert Path("flows/frame_000003.flo").read_bytes() == b"precious"


def test_a_truncated_video_gives_a_complete_output_and_exit_code_1(make_video, decode):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    path = make_video("clip.mkv", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = run("clip.mkv", "-o", "flows/", "-v", "out.mp4")
    assert isinstance(result.exception, FlowcliError)
    assert "the frames before were used" in str(result.exception)
    assert result.stdout.split() == ["flows", "out.mp4"]
    frames = decode("out.mp4")
    assert len(frames) == len(list(Path("flows").iterdir())) > 10


def test_a_stream_that_ends_at_once_writes_nothing():
    result = run("-", "--size", "64x48", stdin=b"")
    assert isinstance(result.exception, InputError)
    assert list(Path().iterdir()) == []
    result = run("-", "--size", "64x48", stdin=io.BytesIO(bytes(100)).read())
    assert "frame 0 has 100" in str(result.exception)
    assert list(Path().iterdir()) == []


def test_one_file_is_not_enough_for_a_sequence(make_video, moving_frames):
    make_video("clip.mp4", moving_frames(4))
    for arguments in (["-o", "out.flo"], ["-v", "out.png"], ["--occlusion", "out.png"]):
        result = run("clip.mp4", *arguments)
        assert "a sequence gives one" in str(result.exception)
        assert "name a folder instead, such as out/" in str(result.exception)


def test_existing_results_are_kept(make_video, moving_frames):
    make_video("clip.mp4", moving_frames(4))
    Path("clip.flow.mp4").write_bytes(b"precious")
    assert "clip.flow.mp4: already exists" in str(run("clip.mp4").exception)
    assert Path("clip.flow.mp4").read_bytes() == b"precious"
    assert run("clip.mp4", "--overwrite").exit_code == 0
    assert run("clip.mp4", "-o", "flows").exit_code == 0
    assert "clip_000000.flo: already exists" in str(run("clip.mp4", "-o", "flows").exception)


def test_as_many_flows_as_frames(make_video, moving_frames, decode, probe):
    make_video("clip.mp4", moving_frames(10))
    assert run("clip.mp4", "-o", "flows/", "-v", "flow.mp4", "--same-length").exit_code == 0
    assert sorted(path.name for path in Path("flows").iterdir()) == [f"clip_{k:06d}.flo" for k in range(10)]
    assert len(decode("flow.mp4")) == 10
    assert probe("flow.mp4")["duration"] == pytest.approx(0.4, abs=0.01)


def test_what_is_done_to_interlaced_video_is_said_once(make_video, moving_frames):
    make_video("clip.mp4", moving_frames(6), "-flags", "+ildct+ilme", "-x264-params", "tff=1")
    result = run("clip.mp4", "-o", "flows/")
    assert result.exit_code == 0
    assert result.stderr == "clip.mp4: is interlaced; its frames are deinterlaced (FFmpeg's bwdif)\n"


def test_a_damaged_video_gives_what_it_holds_and_exit_code_1(make_video, moving_frames):
    path = make_video("clip.mkv", moving_frames(40), "-g", "10", "-bf", "0")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
    path.write_bytes(data)
    result = run("clip.mkv", "-o", "flows/")
    assert isinstance(result.exception, FlowcliError)
    assert "damaged" in str(result.exception)
    assert "\n" not in str(result.exception)
    assert len(list(Path("flows").iterdir())) > 30
