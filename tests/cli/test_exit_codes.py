"""2 where the request is wrong whatever the files hold, 1 where an input or a file is at fault; over all commands."""

import re
import sys

import numpy as np
import pytest

from flowcli.cli.app import main
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_image

ESTIMATE = "estimate --model zero a.png b.png"
BATCH = "batch --model zero frames -o out"
WRONG_REQUESTS = [
    f"{ESTIMATE} -o x.xyz",
    f"{ESTIMATE} -o x.flo --format pfm",
    f"{ESTIMATE} -o x/ --format doc",
    f"{ESTIMATE} -v x.flo",
    f"{ESTIMATE} -v x.mpg",
    f"{ESTIMATE} --occlusion x.doc",
    f"{ESTIMATE} -o x.png -v x.png",
    f"{ESTIMATE} --scale 0",
    f"{ESTIMATE} --size 8x8",
    f"{ESTIMATE} --resize 99999x99999",
    f"{ESTIMATE} --start x",
    f"{ESTIMATE} --style plaid",
    f"{ESTIMATE} --initial-flow farneback",
    f"{ESTIMATE} --guess farneback",
    "estimate --model zero frames -o x.flo",
    "estimate --model zero - --size 64",
    "estimate --model zero - --size 99999x99999",
    "estimate",
    f"{BATCH} --format doc",
    f"{BATCH} -v gif",
    f"{BATCH} --scale -1",
    f"{BATCH} --shard 3/2",
    "batch --model zero frames -o frames",
    "batch frames",
    "render flow.flo -o x.doc",
    "render flow.flo --style overlay",
    "render flow.flo --scale 0",
    "render flow.flo other.flo",
    "render flow.flo other.flo -o x.png",
    "convert flow.flo x.doc",
    "convert flow.flo x.pfm --format npz",
    "convert flow.flo x/ --format doc",
    "convert flow.flo flow.flo",
    "convert [fo]*.flo x.pfm",
    "evaluate nosuch .",
    "evaluate",
]
# Values that typer does not check: one line, not its box.
WRONG_VALUES = [
    f"{ESTIMATE} --threads 0",
    f"{ESTIMATE} --memory 0",
    f"{ESTIMATE} --memory nan",
    f"{ESTIMATE} --batch 0",
    f"{ESTIMATE} --overlap -1",
    f"{ESTIMATE} --preset best",
    f"{ESTIMATE} --no-refine",
    f"{ESTIMATE} --guess dis",
    f"{ESTIMATE} --device cuda",
    f"{BATCH} --threads 100000",
    f"{BATCH} --jobs 2 --preset best",
    "demo -o demo --model zero --precision bf16",
    "evaluate --pairs pairs.csv --model dis --preset best",
    "evaluate --pairs pairs.csv --threads 0",
    "bench --preset quick",
    "bench --kernels fast",
]
FAULTS = [
    "estimate --model zero a.png absent.png",
    "estimate --model zero a.png broken.png",
    "estimate --model zero a.png small.png",
    f"{ESTIMATE} -o flow.flo",
    f"{ESTIMATE} -o absent/x.flo",
    "batch --model zero absent -o out",
    "render absent.flo",
    "render a.png",
    "render flow.flo -o flow.png --style overlay --frames small.png",
    "convert absent.flo x.pfm",
    "convert notes.txt x.pfm",
    "convert flow.flo other.flo",
    "evaluate sintel-clean absent",
    "info absent.flo",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "frames").mkdir()
    for name in ("a.png", "b.png", "frames/0.png", "frames/1.png", "frames/2.png"):
        write_image(folder / name, np.zeros((20, 24, 3), np.uint8))
    write_image(folder / "small.png", np.zeros((8, 9, 3), np.uint8))
    (folder / "broken.png").write_text("no picture")
    (folder / "notes.txt").write_text("no flow")
    (folder / "pairs.csv").write_text("dataset,name,frame1,frame2,flow\nmade,pair,a.png,b.png,flow.flo\n")
    (folder / "demo").mkdir()
    for name in ("flow.flo", "other.flo"):
        write_flow(folder / name, FlowField(np.zeros((20, 24, 2), np.float32)))
    return folder


def list_files(folder):
    return {path for path in folder.rglob("*") if path.is_file() and ".flowcli" not in path.parts}


def run(line, folder, monkeypatch):
    before = list_files(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["flowcli", *line.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    assert list_files(folder) == before
    return caught.value.code


@pytest.mark.parametrize("line", WRONG_REQUESTS)
def test_a_wrong_request(folder, monkeypatch, capsys, line):
    assert run(line, folder, monkeypatch) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


@pytest.mark.parametrize("line", WRONG_VALUES)
def test_a_wrong_value_of_an_option(folder, monkeypatch, capsys, line):
    assert run(line, folder, monkeypatch) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (error,) = captured.err.splitlines()
    assert re.match(r"flowcli: (--[a-z-]+: )?expected ", error)


@pytest.mark.parametrize("line", FAULTS)
def test_an_input_or_a_file_at_fault(folder, monkeypatch, capsys, line):
    assert run(line, folder, monkeypatch) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("flowcli: ")
