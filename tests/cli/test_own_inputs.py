"""No command writes over what it reads, with --overwrite or without, whatever the file is called."""

import sys
from pathlib import Path

import numpy as np
import pytest

from flowcli.cli.app import main
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_image

LINES = [
    "estimate g -o g/ --format kitti",
    "estimate h -o g/ --format kitti",
    "estimate g -v h/",
    "estimate g/*.png -o g/ --format kitti",
    "estimate g/0.png g/1.png -v h/1.png",
    "estimate g/0.png g/1.png -o g/0.png",
    "estimate g/0.png g/1.png -o x.flo --occlusion link.png",
    "estimate a.mp4 -v a.mp4",
    "estimate a.mp4 -v link.mp4",
    "estimate link.mp4 -v a.mp4",
    "estimate hard.mp4 -v ../{here}/a.mp4",
    "estimate a.mp4 -o x/ --occlusion hard.mp4",
    "batch g -o . --format kitti",
    "batch h/ -o . --format kitti",
    "batch a.mp4 a.flow.mp4 -o .",
    "render g/0.png g/1.png -o g/",
    "render f/0.flo -o p/0.png --frames p/0.png",
    "render f -o a.mp4 --frames a.mp4 --end 3",
    "convert f f",
    "convert f l/",
    "convert f/0.flo l/0.flo",
    "convert f/0.flo hard.flo",
]


@pytest.fixture
def files(tmp_path, monkeypatch, make_video, moving_frames):
    monkeypatch.chdir(tmp_path)
    for folder in "gfp":
        Path(folder).mkdir()
    for name in ("g/0.png", "g/1.png", "g/2.png", "p/0.png"):
        write_image(name, np.full((48, 64, 3), 90, np.uint8))
    for name in ("f/0.flo", "f/1.flo"):
        write_flow(name, FlowField(np.zeros((48, 64, 2), np.float32)))
    make_video("a.mp4", moving_frames(5))
    make_video("a.flow.mp4", moving_frames(5))
    for link, target in (("h", "g"), ("l", "f"), ("link.mp4", "a.mp4"), ("link.png", "g/1.png")):
        Path(link).symlink_to(target)
    for link, target in (("hard.mp4", "a.mp4"), ("hard.flo", "f/0.flo")):
        Path(link).hardlink_to(target)
    return tmp_path


def read_all(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("line", LINES)
def test_an_output_that_is_an_input_is_refused(files, monkeypatch, capsys, line):
    before = read_all(files)
    words = line.format(here=files.name).split()
    model = ["--model", "zero"] if words[0] in ("estimate", "batch") else []
    for overwrite in ([], ["--overwrite"]):
        monkeypatch.setattr(sys, "argv", ["flowcli", *words, *model, *overwrite])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "got the input" in captured.err
        assert captured.err.count("\n") == 1
        assert read_all(files) == before


def test_two_outputs_in_one_folder_by_two_names(files, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["flowcli", "estimate", "a.mp4", "-o", "f/", "--format", "kitti", "-v", "l/", "--overwrite"]
    )
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "named for two outputs" in capsys.readouterr().err
