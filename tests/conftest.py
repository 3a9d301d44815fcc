"""Video files made by the tests themselves, and read back by a decoder that is not ours: imageio-ffmpeg's binary."""

import os
import re
import subprocess
from fractions import Fraction

import imageio_ffmpeg
import numpy as np
import pytest

# As the command line does, before anything imports torch: threads that spin double the time of a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What was compiled on this machine is not what is tested; tests/kernels makes its own.
os.environ["FLOWCLI_KERNELS"] = os.devnull


def run_ffmpeg(*arguments, data=None):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def make_frames(count, height=48, width=64):
    """A bright square on a gradient, which moves 2 px right and 1 px down per frame."""
    y, x = np.mgrid[:height, :width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for k, frame in enumerate(frames):
        frame[:] = np.stack((x * 2, y * 2, 60 + 0 * x), -1)
        frame[8 + k % 16 : 24 + k % 16, 8 + 2 * k % 32 : 24 + 2 * k % 32] = (220, 200, 40)
    return frames


@pytest.fixture
def ffmpeg():
    return run_ffmpeg


@pytest.fixture
def moving_frames():
    return make_frames


@pytest.fixture
def make_video(tmp_path):
    """make_video(name, frames, *ffmpeg options) -> path; H.264 of high quality unless the options say otherwise."""

    def make(name, frames, *options, rate="25"):
        path = tmp_path / name
        height, width = frames.shape[1:3]
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "-"]
        codec = [] if "-c:v" in options else ["-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p"]
        run_ffmpeg(*source, *codec, *options, path, data=frames.tobytes())
        return path

    return make


@pytest.fixture
def decode():
    """decode(path) -> uint8 (N, H, W, 3): every frame that ffmpeg finds, upright."""

    def read(path):
        info = probe_video(path)
        raw = run_ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        return np.frombuffer(raw, np.uint8).reshape(-1, info["height"], info["width"], 3)

    return read


def probe_video(path):
    """What ffmpeg says of a file: codec, pixels, width, height, rate, duration in seconds, comment."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    text = subprocess.run(command, capture_output=True, text=True).stderr
    video = re.search(r"Video: (\w+).*?, (\w+)[(,].*?(\d+)x(\d+)", text)
    rate = re.search(r"([\d.]+) fps", text)
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    hours, minutes, seconds = duration.groups() if duration else (0, 0, 0)
    comment = re.search(r"comment\s*: (.*)", text, re.IGNORECASE)
    return {
        "codec": video[1],
        "pixels": video[2],
        "width": int(video[3]),
        "height": int(video[4]),
        "rate": float(rate[1]) if rate else None,
        "duration": float(3600 * Fraction(hours) + 60 * Fraction(minutes) + Fraction(seconds)),
        "comment": comment[1] if comment else "",
    }


@pytest.fixture
def probe():
    return probe_video


def pytest_collection_modifyitems(config, items):
    """Leave out what needs a GPU where there is none; torch is loaded only if there is such a test."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        items[:] = [item for item in items if item not in marked]
        config.hook.pytest_deselected(items=marked)
