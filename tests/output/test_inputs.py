import io
import os
from pathlib import Path

import pytest

from flowcli.errors import UsageError
from flowcli.output.destination import Destination
from flowcli.output.inputs import InputFiles


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "g/0.png", "g/1.png", "g/0.flo", "other/0.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    Path("link.mp4").symlink_to("a.mp4")
    Path("hard.mp4").hardlink_to("a.mp4")
    Path("h").symlink_to("g")


def check(output, *inputs, suffix=None):
    path = Path(output)
    destination = Destination(path, suffix or path.suffix, suffix is not None)
    InputFiles(map(Path, inputs)).check(destination)


@pytest.mark.parametrize("output", ["a.mp4", "link.mp4", "hard.mp4", "g/../a.mp4", "./a.mp4"])
@pytest.mark.parametrize("given", ["a.mp4", "link.mp4", "hard.mp4"])
def test_a_file_is_itself_by_any_name(output, given):
    with pytest.raises(UsageError, match="expected another file to write to, got the input"):
        check(output, given)


def test_another_file_is_another(tmp_path):
    check("b.mp4", "a.mp4")
    check("g/0.png", "a.mp4", "other")
    check("other", "g", suffix=".png")
    # No frames are called so.
    check("g", "g/0.png", "g/1.png", suffix=".pfm")
    check("a.mp4")


@pytest.mark.parametrize("output", ["g", "h", "other/../g"])
@pytest.mark.parametrize("given", [["g"], ["h"], ["g/0.png", "g/1.png"]])
def test_frames_are_not_written_over(output, given):
    with pytest.raises(UsageError, match="got the input"):
        check(output, *given, suffix=".png")


def test_pictures_do_not_go_among_frames():
    with pytest.raises(UsageError, match="expected another folder than that of the frames"):
        check("h", "g", suffix=".jpg")
    check("h", "g", suffix=".npz")


def test_only_files_that_will_be_written_matter_where_they_are_known():
    destination = Destination(Path("g"), ".flo", True)
    inputs = InputFiles([Path("g/0.flo")])
    inputs.check(destination, [Path("g/7.flo")])
    with pytest.raises(UsageError, match=r"g/0\.flo"):
        inputs.check(destination, [Path("g/7.flo"), Path("h/0.flo")])


def test_what_is_read_through_a_pipe_is_known_too():
    inputs = InputFiles()
    inputs.add_stream(io.BytesIO())
    with Path("a.mp4").open("rb") as stream:
        inputs.add_stream(stream)
    with pytest.raises(UsageError, match=r"link\.mp4: .*got the input standard input itself"):
        inputs.check(Destination(Path("link.mp4"), ".mp4", False))
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb"):
        inputs.add_stream(stream)
