"""Deep images, gaps and empty names on the command line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import InputError, UsageError
from flowcli.io.flow import read_flow
from flowcli.io.image import write_image


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_copies(frames):
    """Each frame as 8 bits, below 512 in 16 bits, as a 12-bit camera writes it, and as floats from 0 to 1."""
    for k, frame in enumerate(frames):
        bgr = frame[..., ::-1]
        cv2.imwrite(f"eight{k}.png", bgr)
        cv2.imwrite(f"below512_{k}.png", bgr.astype(np.uint16) << 1)
        cv2.imwrite(f"camera{k}.tiff", bgr.astype(np.uint16) << 4)
        cv2.imwrite(f"float{k}.tiff", bgr.astype(np.float32) / 255)


def test_the_same_flow_from_8_bits_and_from_more_that_mean_the_same(moving_frames):
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (70, 90, 3), np.uint8), (0, 0), 1.5)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    write_copies([texture[:64, :80], texture[2:66, 3:83]])
    assert run("estimate", "eight0.png", "eight1.png", "-o", "eight.flo", "--model", "dis").stderr == ""
    expected = read_flow("eight.flo").uv
    assert np.abs(np.median(expected, axis=(0, 1)) - (-3, -2)).max() < 0.1
    for name, note in (("below512_{}.png", "0:511"), ("camera{}.tiff", "0:4095"), ("float{}.tiff", "0:1")):
        first, second = name.format(0), name.format(1)
        result = run("estimate", first, second, "-o", "deep.flo", "--model", "dis", "--overwrite")
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(read_flow("deep.flo").uv, expected)
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith(f"{first}: ") and f"the values {note} become black to white" in result.stderr
        assert result.stdout == "deep.flo\n"


def test_a_range_is_said_only_if_it_was_chosen(moving_frames):
    write_copies(moving_frames(2))
    for choice in ("full", "0:600"):
        arguments = ("estimate", "below512_0.png", "below512_1.png", "-o", "a.flo", "--model", "dis", "--overwrite")
        assert run(*arguments, "--range", choice).stderr == ""
    result = run(*arguments, "--range", "9:1")
    assert result.exit_code == 2
    assert "expected LOW:HIGH with LOW below HIGH" in result.stderr


def write_folder(frames):
    Path("in").mkdir()
    for number, frame in zip((1, 2, 4), frames, strict=True):
        write_image(f"in/{number:03d}.png", frame)
    Path("in/notes.txt").touch()


def test_gaps_and_other_files_are_said_and_strict_refuses_them(moving_frames):
    write_folder(moving_frames(3))
    result = run("estimate", "in", "-o", "out/", "--model", "zero")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "in: 1 other file (notes.txt) left out, by name no frames",
        "in: 1 frame is missing by number (002.png -> 004.png); these pairs span more than one step",
    ]
    strict = run("estimate", "in", "-o", "strict/", "--model", "zero", "--strict")
    assert type(strict.exception) is InputError  # exits 1
    assert not Path("strict").exists()


def test_batch_says_them_too_and_strict_fails_the_item(moving_frames):
    write_folder(moving_frames(3))
    result = run("batch", "in", "-o", "out", "--format", "flo", "--model", "zero")
    assert result.exit_code == 0
    assert "in: 1 frame is missing by number (002.png -> 004.png)" in result.stderr
    strict = run("batch", "in", "-o", "strict", "--format", "flo", "--model", "zero", "--strict", "--json")
    assert type(strict.exception) is InputError
    (item,) = json.loads(strict.stdout)["items"]
    assert "--strict allows neither" in item["fault"]


@pytest.mark.parametrize("command", ["estimate", "render"])
def test_an_empty_name_is_a_wrong_request(command, moving_frames):
    for k, frame in enumerate(moving_frames(3)):
        write_image(f"{k}.png", frame)
    result = run(command, "")
    assert type(result.exception) is UsageError
    assert "got an empty one; is a variable unset?" in str(result.exception)
    assert len(list(Path().iterdir())) == 3
