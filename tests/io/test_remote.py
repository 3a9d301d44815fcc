"""Inputs and outputs on S3 and on the web: moto's server and Python's own, both on the loopback and started here."""

import functools
import http.server
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import InputError, OutputError, UsageError
from flowcli.io.flow import read_flow
from flowcli.io.remote import RemoteFiles, is_remote, name_of

FILM_FRAMES = 5


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *[("s3://b/x.mp4", True), ("gs://b/x", True), ("https://h/x.png?y=1", True), ("a.png", False)],
        *[("/a/b:c.png", False), ("C://x", False), ("file:///a.png", False), ("dir//x", False)],
    ],
)
def test_what_is_an_address(text, answer):
    assert is_remote(text) is answer


@pytest.mark.parametrize("text", ["ftp://h/x", "s3://b/x::file:///etc/passwd", "simplecache::s3://b/x", "github://x/y"])
def test_other_addresses_are_refused(text):
    if "://" in text and not text.startswith("simplecache"):
        with pytest.raises(UsageError, match="expected an address of s3://"):
            is_remote(text)
    else:
        assert not is_remote(text)


def test_names_of_copies():
    assert name_of("https://h/some%20clip.mp4?token=a/b") == "some clip.mp4"
    assert name_of("s3://b/what?.png") == "what?.png"
    assert name_of("https://h/%2e%2e") == "input" and name_of("https://h/") == "input"


@pytest.fixture(scope="module")
def pictures():
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (80, 104, 3), np.uint8), (0, 0), 2)
    return [np.ascontiguousarray(texture[2 * k : 2 * k + 48, 3 * k : 3 * k + 64]) for k in range(FILM_FRAMES)]


@pytest.fixture
def here(monkeypatch, tmp_path, pictures, make_video):
    """clip.mp4 and frames/000.png ... in the current folder; temporary files in a folder that is looked at after."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    Path("frames").mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(f"frames/{k:03d}.png")
    make_video("clip.mp4", np.stack(pictures))
    yield tmp_path
    assert not list((tmp_path / "temporary").iterdir()), "copies are left"


@pytest.fixture(scope="module")
def s3():
    """A file system of an S3 server on this machine."""
    s3fs = pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():
            patch.setenv(name, value)
        system = s3fs.S3FileSystem(use_listings_cache=False)
        system.mkdir("bucket")
        yield system
    server.stop()


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--model", "dis"]])


@pytest.mark.slow
def test_a_pair_from_s3_and_its_flow_to_s3(s3, here):
    for name in ("000.png", "001.png"):
        s3.put_file(f"frames/{name}", f"bucket/pair/{name}")
    arguments = ["estimate", "s3://bucket/pair/000.png", "s3://bucket/pair/001.png"]
    done = run(*arguments, "-o", "s3://bucket/out/ab.flo", "-v", "s3://bucket/out/ab.png", "--backward")
    assert done.exit_code == 0, done.output
    names = [f"s3://bucket/out/ab{word}{suffix}" for word in ("", ".backward") for suffix in (".flo", ".png")]
    assert done.stdout.split() == names
    assert sorted(s3.ls("bucket/out")) == sorted(name.removeprefix("s3://") for name in names)
    assert run("estimate", "frames/000.png", "frames/001.png", "-o", "ab.flo").exit_code == 0
    s3.get_file("bucket/out/ab.flo", "fetched.flo")
    assert read_flow("fetched.flo") == read_flow("ab.flo")
    again = run(*arguments, "-o", "s3://bucket/out/ab.flo")
    assert isinstance(again.exception, OutputError)
    assert str(again.exception) == "s3://bucket/out/ab.flo: already exists; use --overwrite to replace it"
    assert run(*arguments, "-o", "s3://bucket/out/ab.flo", "--overwrite").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["s3://bucket/seq/frames", "s3://bucket/seq/frames/*.png", "s3://bucket/seq/frames/"]
)
def test_a_folder_or_glob_of_frames_from_s3(s3, here, address):
    s3.put("frames", "bucket/seq/", recursive=True)
    assert sorted(s3.ls("bucket/seq/frames"))[0] == "bucket/seq/frames/000.png"
    done = run("estimate", address, "-o", "flows/", "--json")
    assert done.exit_code == 0, done.output
    assert [path.name for path in sorted(Path("flows").glob("*.flo"))] == [f"{k:03d}.flo" for k in range(4)]
    assert json.loads(done.stdout)["pairs"] == 4
    done = run("estimate", "frames", "-o", f"s3://bucket/to-{len(address)}/flows/")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"s3://bucket/to-{len(address)}/flows"
    assert len(s3.ls(f"bucket/to-{len(address)}/flows")) == 4


@pytest.mark.slow
def test_a_batch_of_films_on_s3(s3, here):
    for name in ("a.mp4", "day/b.mp4"):
        s3.put_file("clip.mp4", f"bucket/films/{name}")
    s3.put("frames", "bucket/films/", recursive=True)
    done = run("batch", "s3://bucket/films", "-o", "out", "--format", "flo")
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.split()) == ["out/a", "out/day/b", "out/frames"]
    assert all(len(list(Path(folder).glob("*.flo"))) == 4 for folder in done.stdout.split())
    # Nothing to do, unless an input has changed.
    stamps = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.flo")}
    assert run("batch", "s3://bucket/films", "-o", "out", "--format", "flo").exit_code == 0
    assert stamps == {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.flo")}
    # A bad one stops nothing, and is called by its address.
    s3.pipe_file("bucket/films/bad.mp4", b"no film at all")
    done = run("batch", "s3://bucket/films", "-o", "out", "--format", "flo")
    assert isinstance(done.exception, InputError)
    assert "bad: s3://bucket/films/bad.mp4: expected an image or a video" in done.stderr
    Path("list.txt").write_text("s3://bucket/films/a.mp4\nclip.mp4\n")
    assert run("batch", "list.txt", "-o", "other", "--format", "flo").stdout.split() == ["other/a", "other/clip"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flo", "npy-clip", "zarr"])
def test_a_batch_to_s3_continues_where_it_stopped(s3, here, monkeypatch, kind):
    monkeypatch.setenv("FLOWCLI_WORK", str(here / "work"))
    s3.put_file("clip.mp4", f"bucket/in-{kind}/a.mp4")
    arguments = [
        "batch",
        f"s3://bucket/in-{kind}",
        "frames",
        "-o",
        f"s3://bucket/results-{kind}",
        "--format",
        kind,
        "-v",
        "mp4",
    ]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    suffix = {"flo": "", "npy-clip": ".npy", "zarr": ".zarr"}[kind]
    root = f"s3://bucket/results-{kind}"
    assert sorted(done.stdout.split()) == sorted(
        f"{root}/{name}{end}" for name in ("a", "frames") for end in (suffix, ".flow.mp4")
    )
    there = s3.find(f"bucket/results-{kind}", detail=True)
    # The journal and the list of what was sent are there as well.
    assert {"flo": 12, "npy-clip": 8}.get(kind, len(there)) == len(there) >= 8
    s3.get(f"bucket/results-{kind}/", "fetched/", recursive=True)
    assert run("batch", "frames", "-o", "local", "--format", kind, "-v", "mp4").exit_code == 0
    for path in Path("local").rglob("*"):
        if path.is_file() and ".flowcli" not in path.parts and path.suffix != ".mp4":
            assert (Path("fetched") / path.relative_to("local")).read_bytes() == path.read_bytes()
    # Nothing is kept here but names and lengths, and nothing is sent again.
    kept = [path for path in (here / "work").rglob("*") if path.is_file() and ".flowcli" not in path.parts]
    assert kept and sum(path.stat().st_blocks for path in kept) == 0
    assert run(*arguments).exit_code == 0
    after = s3.find(f"bucket/results-{kind}", detail=True)
    assert {path: info["LastModified"] for path, info in after.items()} == {
        path: info["LastModified"] for path, info in there.items()
    }
    # Another machine has nothing to do either, and keeps nothing but names.
    sent, send = [], RemoteFiles.send
    monkeypatch.setattr(RemoteFiles, "send", lambda self, local, path: sent.append(path) or send(self, local, path))
    monkeypatch.setenv("FLOWCLI_WORK", str(here / "second"))
    assert run(*arguments).exit_code == 0
    assert sent == []
    # What was lost there is made again by a third, and nothing else.
    lost = next(path for path in there if path.endswith(".flow.mp4"))
    s3.rm(lost)
    monkeypatch.setenv("FLOWCLI_WORK", str(here / "third"))
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    after = s3.find(f"bucket/results-{kind}", detail=True)
    assert set(there) <= set(after)
    assert [path for path in sent if ".flowcli" not in path] == [lost.removeprefix(f"bucket/results-{kind}/")]
    # Without its state, results that are the same stay, and others are not written over.
    s3.rm(f"bucket/results-{kind}/.flowcli", recursive=True)
    monkeypatch.setenv("FLOWCLI_WORK", str(here / "fourth"))
    assert run(*arguments).exit_code == 0
    s3.rm(f"bucket/results-{kind}/.flowcli", recursive=True)
    s3.pipe_file(lost, b"of somebody else")
    monkeypatch.setenv("FLOWCLI_WORK", str(here / "fifth"))
    assert "is not of this batch" in str(run(*arguments).exception)
    assert s3.cat_file(lost) == b"of somebody else"
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.slow
def test_what_is_not_on_s3(s3, here):
    error = run("estimate", "s3://bucket/nothing.mp4", "-v", "x.mp4").exception
    assert isinstance(error, InputError) and str(error).startswith("s3://bucket/nothing.mp4: no such file")
    s3.pipe_file("bucket/text.png", b"this is text")
    error = run("estimate", "s3://bucket/text.png", "s3://bucket/text.png", "-o", "x.flo").exception
    assert str(error).startswith("s3://bucket/text.png: expected an image")
    error = run("estimate", "clip.mp4", "-o", "s3://missing-bucket/x/").exception
    assert isinstance(error, OutputError) and "s3://missing-bucket" in str(error)
    assert isinstance(run("estimate", "s3://bucket/a", "-o", "x/", "--resume").exception, InputError)


@pytest.mark.slow
def test_from_the_web(here):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(here))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            root = f"http://127.0.0.1:{server.server_port}"
            done = run("estimate", f"{root}/clip.mp4?token=1", "-o", "flows/")
            assert done.exit_code == 0, done.output
            assert [path.name for path in sorted(Path("flows").glob("*.flo"))] == [
                f"clip_{k:06d}.flo" for k in range(4)
            ]
            done = run("estimate", f"{root}/frames/000.png", f"{root}/frames/001.png", "-o", "ab.flo")
            assert done.exit_code == 0, done.output
            error = run("estimate", f"{root}/missing.mp4", "-o", "x/").exception
            assert isinstance(error, InputError) and str(error).startswith(f"{root}/missing.mp4: no such file")
        finally:
            server.shutdown()
            thread.join()
    error = run("estimate", "clip.mp4", "-o", "https://h.invalid/x/").exception
    assert isinstance(error, UsageError) and "a web address takes no files" in str(error)
