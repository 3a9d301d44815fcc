"""A new format, style, data set, picture, video or method is one row: added here, it is in --help and works."""

import os
import subprocess
import sys
from pathlib import Path

ROWS = """
import numpy as np
import flowcli.evaluation.datasets, flowcli.methods
from flowcli.deferred import Deferred
from flowcli.io.flow import FORMATS, FlowFormat
from flowcli.io.pictures import PICTURE_FORMATS, PictureFormat
from flowcli.io.video.formats import VIDEO_FORMATS
from flowcli.methods import METHODS, Method
from flowcli.viz.styles import STYLES, Style

FORMATS[".uv"] = FlowFormat("plain-uv", ".uv", "bare float32", Deferred("added:encode"), Deferred("added:decode"))
STYLES["left-right"] = Style("red to the right", Deferred("added:draw"), legend=None)
METHODS["one-right"] = Method("one pixel to the right", Deferred("added:build"), frozenset({"threads"}))
PICTURE_FORMATS[".jp2"] = PictureFormat()
VIDEO_FORMATS[".mkv"] = VIDEO_FORMATS[".mp4"]
flowcli.evaluation.datasets.DATASETS["mine"] = Deferred("added:list_mine")
"""
ADDED = """
import numpy as np
from flowcli.flow import FlowField
def encode(field): return np.int32(field.size).tobytes() + field.uv.tobytes()
def decode(data, name):
    size = np.frombuffer(data[:8], np.int32)
    return FlowField(np.frombuffer(data[8:], np.float32).reshape(*size, 2))
def draw(field, scale): return np.repeat(np.uint8(255 * (field.uv[..., :1] > 0)), 3, axis=2)
class OneRight:
    settings = {"model": "one-right"}
    def estimate(self, pairs): return [FlowField(np.float32([[[1, 0]]]).repeat(7, 0).repeat(9, 1)) for _ in pairs]
def build(options, checkpoint): return OneRight()
"""


def run(folder: Path, *arguments: str) -> str:
    code = "import rows, sys; from flowcli.cli.app import main; sys.argv[0] = 'flowcli'; main()"
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), root]), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_row_each_is_in_the_help_and_works(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "rows.py").write_text(ROWS)
    (tmp_path / "added.py").write_text(ADDED)
    for name, level in (("a.png", 10), ("b.png", 20)):
        Image.new("RGB", (9, 7), (level, level, level)).save(tmp_path / name)
    shown = run(tmp_path, "estimate", "--help")
    assert all(name in shown for name in (".uv", "plain-uv", "left-right", "one-right", ".jp2", ".mkv"))
    assert "mine" in run(tmp_path, "evaluate", "--help")
    arguments = ["--model", "one-right", "--style", "left-right", "-o", "out.uv", "-v", "out.png"]
    run(tmp_path, "estimate", "a.png", "b.png", *arguments)
    assert (tmp_path / "out.uv").stat().st_size == 8 + 7 * 9 * 2 * 4
    assert Image.open(tmp_path / "out.png").getcolors() == [(63, (255, 255, 255))]
    run(tmp_path, "convert", "out.uv", "out.flo")
    assert "median=1  mean=1  p95=1  max=1" in run(tmp_path, "info", "out.flo")
