from pathlib import Path

import numpy as np
import pytest

from flowcli.io.frames import list_images
from flowcli.io.image import write_image
from flowcli.io.own_results import describe_left_out, is_result_file, is_result_folder
from flowcli.io.sources import open_source


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("g").mkdir()
    for name in ("001.png", "002.png", "001.flow.png", "001.flow.backward.png", "002.occlusion.jpg"):
        write_image(Path("g") / name, np.zeros((8, 9, 3), np.uint8))


@pytest.mark.parametrize(
    "name", ["001.flow.png", "a.flow.mp4", "a.backward.png", "a.flow.backward.webm", "a.occlusion.mp4"]
)
def test_names_of_results(name):
    assert is_result_file(Path(name))


@pytest.mark.parametrize("name", ["001.png", "flow.png", "flow.mp4", "overflow.png", "a.flow", "a.v2.mp4", ".flow.png"])
def test_names_of_other_files(name):
    assert not is_result_file(Path(name))


def test_folders_of_results():
    assert is_result_folder(Path("a.flow"))
    assert not is_result_folder(Path("g"))
    Path("g/.flowcli").mkdir()
    assert not is_result_folder(Path("g"))
    Path("g/.flowcli/journal-1-of-2.jsonl").touch()
    assert is_result_folder(Path("g"))


def test_results_are_no_frames():
    assert [path.name for path in list_images(Path("g"))] == ["001.png", "002.png"]
    for text in ("g", "g/*"):
        source = open_source([text])
        assert (source.count, source.name(0)) == (1, "001")
        assert describe_left_out([text]) == "left out as results of flowcli: g/001.flow.backward.png and 2 more"
    assert describe_left_out(["g/00?.png", "g/001.png", "absent"]) is None


def test_who_names_them_means_them():
    assert open_source(["g/*.flow*.png"]).count == 1
    assert describe_left_out(["g/*.flow*.png"]) is None
    assert open_source(["g/001.png", "g/001.flow.png"]).is_pair
