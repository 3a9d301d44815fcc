"""--audio copy: the sound of a film goes beside the pictures made from it, to the sample and in its time."""

import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import InputError, UsageError

RATE = 16_000


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--model", "zero"]])


def ffmpeg(*arguments):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def hear(path):
    """Its sound as samples, decoded by ffmpeg; silence is put where there is none, so that times can be told."""
    raw = ffmpeg(
        "-i", path, "-map", "0:a", "-af", "aresample=async=1:first_pts=0", "-ac", 1, "-ar", RATE, "-f", "s16le", "-"
    )
    return np.frombuffer(raw, np.int16).astype(float) / 2**15


def onset(samples):
    """Seconds until it becomes loud."""
    return float(np.argmax(np.abs(samples) > 0.2)) / RATE


@pytest.fixture(autouse=True)
def film(monkeypatch, tmp_path):
    """film.SUFFIX: 3 s of pictures at 10 per second, and a tone that begins after 2 s."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(3 * RATE) / RATE
    samples = (0.5 * np.sin(2 * np.pi * 440 * time) * (time >= 2) * 2**15).astype(np.int16)
    with wave.open("tone.wav", "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())

    def make(name, codec, *, video=("-c:v", "libx264", "-g", "5")):
        source = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=3", "-i", "tone.wav"]
        ffmpeg(*source, *video, "-pix_fmt", "yuv420p", "-c:a", codec, name)
        return Path(name)

    return make


@pytest.mark.parametrize(
    ("name", "codec", "result"),
    [
        ("film.mp4", "aac", "flow.mp4"),
        ("film.mkv", "libopus", "flow.webm"),
        ("film.mov", "pcm_s16le", "flow.mov"),
        ("film.mkv", "flac", "flow.mkv"),
    ],
)
def test_the_sound_is_there_in_its_time(film, name, codec, result, probe):
    film(name, codec)
    done = run("estimate", name, "-v", result, "--audio", "copy")
    assert done.exit_code == 0, done.output
    original, copied = hear(name), hear(result)
    assert onset(copied) == pytest.approx(2, abs=0.03)
    # As long as the pictures: 29 pairs at 10 per second.
    assert len(copied) / RATE == pytest.approx(2.9, abs=0.1)
    both = min(len(original), len(copied)) - RATE // 10  # where resampling ends it differs
    assert np.abs(original[:both] - copied[:both]).max() < 1e-3
    assert probe(result)["duration"] == pytest.approx(2.9, abs=0.1)
    assert not list(Path().glob(".flowcli*"))


def test_a_selection_takes_its_own_part(film):
    film("film.mp4", "aac")
    assert (
        run("estimate", "film.mp4", "-v", "part.mp4", "--audio", "copy", "--start", "1.5s", "--end", "2.5s").exit_code
        == 0
    )
    assert onset(hear("part.mp4")) == pytest.approx(0.5, abs=0.1)
    assert len(hear("part.mp4")) / RATE == pytest.approx(0.9, abs=0.1)
    assert run("estimate", "film.mp4", "-v", "slow.mp4", "--audio", "copy", "--stride", 3).exit_code == 0
    assert onset(hear("slow.mp4")) == pytest.approx(2, abs=0.03)


def test_a_batch_copies_it_too(film, monkeypatch):
    for module in ("batch", "item", "job", "joining"):
        monkeypatch.setattr(f"flowcli.jobs.{module}.PART", 8)
    Path("films").mkdir()
    film("films/a.mp4", "aac")
    film("films/b.mp4", "aac")
    ffmpeg("-i", "films/b.mp4", "-an", "-c", "copy", "films/silent.mp4")
    done = run("batch", "films", "-o", "out", "-v", "mp4", "--audio", "copy")
    assert done.exit_code == 0, done.output
    for name in "ab":
        assert onset(hear(f"out/{name}.flow.mp4")) == pytest.approx(2, abs=0.03)
    assert "silent: has no sound that could be copied" in done.stderr
    assert Path("out/silent.flow.mp4").exists()


def test_what_cannot_be_copied_is_said_before_the_work(film):
    film("film.mp4", "aac")
    error = run("estimate", "film.mp4", "-v", "flow.webm", "--audio", "copy").exception
    assert isinstance(error, UsageError)
    assert "takes sound of opus, vorbis, that of film.mp4 is aac; name an .mkv" in str(error)
    assert isinstance(run("estimate", "film.mp4", "-v", "a.gif", "--audio", "copy").exception, UsageError)
    ffmpeg("-i", "film.mp4", "-an", "-c", "copy", "silent.mp4")
    error = run("estimate", "silent.mp4", "-v", "flow.mp4", "--audio", "copy").exception
    assert isinstance(error, InputError) and "has no sound to be copied" in str(error)
    assert not Path("flow.mp4").exists()
