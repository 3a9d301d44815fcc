"""Flow for other programs from the command line: two-stream pictures, arrays per clip, compositing; batches of them."""

import json
import re
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import OpenEXR
import pytest
import zarr
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import OutputError, UsageError
from flowcli.io.flow import read_flow


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def works(*arguments):
    result = run(*arguments, "--model", "dis")
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(autouse=True)
def frames(monkeypatch, tmp_path):
    """in/000.png ... in/005.png: the texture moves by (-3, -2) from frame to frame."""
    monkeypatch.chdir(tmp_path)
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (80, 104, 3), np.uint8), (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    Path("in").mkdir()
    for k in range(6):
        Image.fromarray(texture[2 * k : 2 * k + 48, 3 * k : 3 * k + 64]).save(f"in/{k:03d}.png")


def denseflow_loader(folder, bound=20, prefix=""):
    """Ten lines of what reads folders of denseflow: consecutive numbers from 0, grey levels back to pixels."""
    flows = []
    while (Path(folder) / f"flow_x_{prefix}{len(flows):05d}.jpg").exists():
        levels = []
        for axis in "xy":
            image = Image.open(Path(folder) / f"flow_{axis}_{prefix}{len(flows):05d}.jpg")
            assert image.mode == "L"
            levels.append(np.asarray(image).astype(float))
        flows.append(np.stack(levels, -1) * (2 * bound) / 255 - bound)
    return np.array(flows)


def plain_flows(folder="plain"):
    works("estimate", "in", "-o", f"{folder}/")
    return np.array([read_flow(path).uv for path in sorted(Path(folder).glob("*.flo"))])


def test_two_stream_as_denseflow_has_it():
    expected = plain_flows()
    works("estimate", "in", "-o", "xy/", "--format", "xy-jpeg")
    names = sorted(path.name for path in Path("xy").iterdir())
    assert names == [f"flow_{axis}_{k:05d}.jpg" for axis in "xy" for k in range(5)]
    found = denseflow_loader("xy")
    assert found.shape == expected.shape
    # Half a level of 40 px / 255, and what JPEG loses.
    assert np.abs(found - expected).mean() < 0.1
    assert np.abs(np.median(found, axis=(0, 1, 2)) - (-3, -2)).max() < 0.1


def test_the_levels_are_those_of_denseflow():
    """round(255 (v + b) / (2 b)), half to even, clipped: checked before JPEG by an exact constant."""
    from flowcli.flow import FlowField
    from flowcli.io.flow.two_stream import encode_two_stream

    for value, bound, level in ((0, 20, 128), (-20, 20, 0), (20, 20, 255), (99, 20, 255), (-99, 20, 0), (5, 10, 191)):
        uv = np.full((16, 16, 2), (value, -value), np.float32)
        x, y = (
            np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), -1))
            for data in encode_two_stream(FlowField(uv), bound)
        )
        assert set(np.unique(x)) == {level}
        assert abs(int(y[0, 0]) - (255 - level)) <= 1
    unknown = FlowField(np.zeros((16, 16, 2), np.float32), np.zeros((16, 16), bool))
    assert set(np.unique(cv2.imdecode(np.frombuffer(encode_two_stream(unknown, 20)[0], np.uint8), -1))) == {128}


def test_two_stream_with_strides_backwards_and_another_bound():
    works("estimate", "in", "-o", "xy/", "--format", "xy-jpeg", "--stride", 2, "--bound", 8, "--backward")
    assert sorted(p.name for p in Path("xy").glob("flow_x*")) == ["flow_x_p2_00000.jpg", "flow_x_p2_00002.jpg"]
    back = sorted(p.name for p in Path("xy.backward").glob("flow_x*"))
    assert back == ["flow_x_m2_00002.jpg", "flow_x_m2_00004.jpg"]
    level = np.median(np.asarray(Image.open("xy/flow_x_p2_00000.jpg")))
    assert abs(level * 16 / 255 - 8 + 6) < 0.2
    works("estimate", "in", "-o", "late/", "--format", "xy-jpeg", "--start", 3)
    assert sorted(p.name for p in Path("late").glob("flow_x*")) == ["flow_x_00003.jpg", "flow_x_00004.jpg"]


def read_clip(path):
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r"), json.loads(path.with_suffix(".json").read_text())
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file["flow"][:], dict(file["flow"].attrs)
    array = zarr.open_array(str(path), mode="r")
    return array[:], dict(array.attrs)


@pytest.mark.parametrize("suffix", [".npy", ".h5", ".zarr"])
def test_one_array_per_clip(suffix):
    expected = plain_flows()
    path = Path(f"clip{suffix}")
    works("estimate", "in", "-o", path, "--fps", 10)
    array, attributes = read_clip(path)
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_allclose(attributes["times"], [0, 0.1, 0.2, 0.3, 0.4])
    assert attributes["fps"] == 10 and attributes["scale"] == 1
    assert isinstance(run("estimate", "in", "-o", path, "--model", "zero").exception, OutputError)
    works("estimate", "in", "-o", path, "--layout", "tchw", "--dtype", "float16", "--overwrite")
    array, attributes = read_clip(path)
    np.testing.assert_array_equal(array, expected.transpose(0, 3, 1, 2).astype(np.float16))
    assert array.dtype == np.float16 and attributes["layout"] == "tchw"


@pytest.mark.parametrize("kind", ["npy-clip", "h5", "zarr"])
def test_a_batch_of_arrays_continues_and_replaces(kind, monkeypatch):
    shutil.copytree("in", "clips/a")
    shutil.copytree("in", "clips/b")
    suffix = {"npy-clip": ".npy", "h5": ".h5", "zarr": ".zarr"}[kind]
    for module in ("batch", "item", "job", "joining"):
        monkeypatch.setattr(f"flowcli.jobs.{module}.PART", 2)
    result = works("batch", "clips", "-o", "out", "--format", kind)
    assert result.stdout.split() == [f"out/a{suffix}", f"out/b{suffix}"]
    expected = plain_flows()
    for name in "ab":
        array, attributes = read_clip(Path(f"out/{name}{suffix}"))
        np.testing.assert_array_equal(array, expected)
        assert len(attributes["times"]) == 5
    # All there: nothing is done; one gone: it is made again; other settings: asked for.
    before = Path(f"out/a{suffix}").stat().st_mtime_ns
    works("batch", "clips", "-o", "out", "--format", kind)
    assert Path(f"out/a{suffix}").stat().st_mtime_ns == before
    (shutil.rmtree if kind == "zarr" else Path.unlink)(Path(f"out/b{suffix}"))
    works("batch", "clips", "-o", "out", "--format", kind)
    np.testing.assert_array_equal(read_clip(Path(f"out/b{suffix}"))[0], expected)
    other = run("batch", "clips", "-o", "out", "--format", kind, "--dtype", "float16", "--model", "dis")
    assert isinstance(other.exception, OutputError) and "dtype" in str(other.exception)
    works("batch", "clips", "-o", "out", "--format", kind, "--dtype", "float16", "--overwrite")
    np.testing.assert_array_equal(read_clip(Path(f"out/a{suffix}"))[0], expected.astype(np.float16))
    assert not list(Path("out/.flowcli").glob("work/*"))


def test_a_batch_of_two_stream_folders():
    shutil.copytree("in", "clips/a")
    works("batch", "clips", "-o", "out", "--format", "xy-jpeg", "-v", "mp4")
    assert len(denseflow_loader("out/a")) == 5
    assert Path("out/a.flow.mp4").exists()
    Path("out/a/flow_y_00001.jpg").unlink()
    works("batch", "clips", "-o", "out", "--format", "xy-jpeg", "-v", "mp4")
    assert len(denseflow_loader("out/a")) == 5


def channels(path):
    return {
        name: channel.pixels for name, channel in OpenEXR.File(str(path), separate_channels=True).channels().items()
    }


@pytest.mark.parametrize("command", ["estimate", "batch"])
def test_both_directions_of_each_frame_in_one_exr(command, monkeypatch):
    """Backward leads from this frame to the one before: it is the backward flow of the pair before this one."""
    for module in ("batch", "item", "job", "joining"):
        monkeypatch.setattr(f"flowcli.jobs.{module}.PART", 2)
    works("estimate", "in", "-o", "plain/", "--backward")
    if command == "estimate":
        works("estimate", "in", "-o", "out/in/", "--format", "nuke", "--backward")
    else:
        works("batch", "in", "-o", "out", "--format", "nuke", "--backward")
    assert sorted(path.name for path in Path("out/in").glob("*.exr")) == [f"{k:03d}.nuke.exr" for k in range(5)]
    assert not Path("out/in.backward").exists()
    for k in range(5):
        path = Path(f"out/in/{k:03d}.nuke.exr")
        assert read_flow(path) == read_flow(f"plain/{k:03d}.flo")
        found = channels(path)
        if k == 0:
            assert not found["backward.u"].any() and not found["backward.A"].any()
        else:
            before = read_flow(f"plain.backward/{k - 1:03d}.flo").uv
            np.testing.assert_allclose(found["backward.u"], before[..., 0], atol=1e-4)
            np.testing.assert_allclose(found["backward.v"], -before[..., 1], atol=1e-4)


def test_of_two_images_each_has_a_file_of_its_own():
    works("estimate", "in/000.png", "in/001.png", "-o", "ab.nuke.exr", "--backward")
    assert sorted(channels("ab.nuke.exr")) == ["A", "forward.u", "forward.v"]
    assert sorted(channels("ab.backward.nuke.exr")) == ["backward.A", "backward.u", "backward.v"]
    assert np.abs(np.median(channels("ab.backward.nuke.exr")["backward.u"]) - 3) < 0.1
    assert np.abs(np.median(channels("ab.backward.nuke.exr")["backward.v"]) + 2) < 0.1  # v up


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a/", "--format", "h5"], r"is one file for all; name it, such as a\.h5"),
        (["-o", "a/", "--dtype", "float16"], "are for one array of all flow"),
        (["-o", "a/", "--layout", "tchw"], "are for one array of all flow"),
        (["-o", "a.h5", "--bound", "8"], "--bound is for --format xy-jpeg"),
        (["-o", "a/", "--format", "xy-jpeg", "--bound", "-1"], "--bound: expected pixels above 0"),
        (["-o", "a.npz"], "name a folder instead"),
        (["-o", "a/", "--audio", "copy"], "--audio copy is for videos"),
        (["-v", "a.mp4", "--audio", "copy"], "needs a film as input"),
    ],
)
def test_requests_that_do_not_fit_together(arguments, message):
    error = run("estimate", "in", *arguments, "--model", "zero").exception
    assert isinstance(error, UsageError)
    assert re.search(message, str(error)), error


def test_convert_makes_no_clips():
    works("estimate", "in/000.png", "in/001.png", "-o", "a.flo")
    assert isinstance(run("convert", "a.flo", "a.h5").exception, UsageError)
    assert run("convert", "a.flo", "a.npy").exit_code == 0
    assert np.load("a.npy").shape == (48, 64, 2)
