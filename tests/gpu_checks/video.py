"""A video from file to file: how much of decoding and encoding hides behind the estimates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from flowcli.coarse_to_fine.config import DEFAULT_PRESET
from flowcli.estimator import Estimator
from flowcli.flow import FlowField, Pair
from flowcli.io.sources import FrameSource, open_source
from flowcli.jobs.one_input import InputJob
from flowcli.jobs.settings import BatchSettings
from flowcli.output.plan import plan_outputs
from flowcli.output.writer import Appearance
from flowcli.training.scene import make_scene
from gpu_checks.setup import Row, Setup, Size

LOOK = BatchSettings(look=Appearance(scale=10.0))
PRESETS = ("fast", DEFAULT_PRESET)


class Replay:
    """A method that knows the answers already, for what a video costs without estimates."""

    def __init__(self, fields: Sequence[FlowField]) -> None:
        self._fields, self.settings = iter(fields), {"model": "replay"}

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Return the next fields."""
        return [next(self._fields) for _ in pairs]


def write_clip(path: Path, count: int, size: Size) -> None:
    """Write H.264 of a scene that drifts by (1, 2) pixels a frame."""
    scene = make_scene((size[0] + count, size[1] + 2 * count), seed=4).frame1
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        for k in range(count):
            frame = np.ascontiguousarray(scene[k : k + size[0], 2 * k : 2 * k + size[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def time_video(setup: Setup) -> list[Row]:
    """Seconds of the whole, of estimates alone and of all else alone; `hidden` of the smaller of those two.

    "hidden" is (estimates + rest - whole) / min(estimates, rest): 1 where the shorter one costs nothing.
    """
    count, size = setup.clip
    clip = setup.folder / "clip.mp4"
    write_clip(clip, count, size)
    return [_time_preset(setup, clip, preset) for preset in (PRESETS[:1] if setup.small else PRESETS)]


def _time_preset(setup: Setup, clip: Path, preset: str) -> Row:
    estimator = Estimator(preset=preset, device=str(setup.device), kernels="torch")
    source = open_source([str(clip)])
    pairs = [(pair.frame1, pair.frame2) for pair in source.pairs()]
    fields: list[FlowField] = []
    with setup.forms():
        # Libraries and memory are warm from here on.
        list(estimator.flows(pairs[:4]))
        estimates = _time(lambda: fields.extend(estimator.flows(pairs)))
        whole = _time(lambda: _run(source, setup.folder / f"{preset}.mp4", estimator))
    rest = _time(lambda: _run(source, setup.folder / f"{preset}-replayed.mp4", Estimator(Replay(fields))))
    return {
        "preset": preset,
        "size": f"{source.size[1]}x{source.size[0]}",
        "pairs": len(pairs),
        "whole s": whole,
        "estimates s": estimates,
        "rest s": rest,
        "hidden": (estimates + rest - whole) / min(estimates, rest),
        "ms/frame": whole / len(pairs) * 1e3,
    }


def _run(source: FrameSource, path: Path, estimator: Estimator) -> None:
    plan = plan_outputs(source, None, str(path), None, backward=False, flow_format=None)
    with closing(InputJob(source, plan, LOOK).run(estimator, overwrite=True, resume=False)) as pairs:
        for _ in pairs:
            pass


def _time(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
