"""Inputs of a suite, made in a process of its own: `python -m flowcli.suite.material TASKS`, a list in JSON.

A frame pair is an .npz of frame1 and frame2, uint8 `(H, W, 3)`, and where it is known flow, float32 `(H, W, 2)`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from flowcli.errors import EngineError
from flowcli.flow import Frame
from flowcli.io.image import write_image

LARGEST_SCENE = 2.1e6
"""Pixels of a scene that is rendered; larger frames are enlarged from it, as what is near a camera is."""


@dataclass(frozen=True)
class Task:
    """Something to be made.

    Attributes:
        kind: "rendered": pair `number` of the rendered benchmark, the first of each kind, the second of each, and so
            on; "pair": one of a size, "images": the same as 0.png and 1.png in a folder; "clip": a video.
        path: the file, or the folder.
        size: (height, width).
        frames: of a clip.
        number: of a rendered pair, or the seed of another scene.
    """

    kind: Literal["rendered", "pair", "images", "clip"]
    path: str
    size: tuple[int, int] = (0, 0)
    frames: int = 0
    number: int = 0


def make_material(tasks: Sequence[Task]) -> list[str]:
    """Do tasks in a process of its own, so that this one stays small; returns the kinds of rendered pairs among them.

    Raises:
        EngineError: something could not be made.
    """
    command = [sys.executable, "-m", "flowcli.suite.material", json.dumps([asdict(task) for task in tasks])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EngineError(f"the inputs of the suite could not be made: {reason}")
    return json.loads(done.stdout)


def _make(task: Task) -> None:
    if task.kind == "clip":
        _write_clip(task)
        return
    path, (frame1, frame2) = Path(task.path), _make_pair(task.size, task.number)
    if task.kind == "pair":
        np.savez(path, frame1=frame1, frame2=frame2)
        return
    path.mkdir(parents=True, exist_ok=True)
    write_image(path / "0.png", frame1)
    write_image(path / "1.png", frame2)


def _render(task: Task) -> str:
    from flowcli.training.rendered import KINDS, render

    number, kind = divmod(task.number, len(KINDS))
    name = list(KINDS)[kind]
    pair = render(name, number)
    np.savez(task.path, frame1=pair.frame1, frame2=pair.frame2, flow=pair.flow.uv)
    return name


def _make_pair(size: tuple[int, int], seed: int) -> tuple[Frame, Frame]:
    from flowcli.training.scene import make_scene

    factor = min(1.0, (LARGEST_SCENE / (size[0] * size[1])) ** 0.5)
    scene = make_scene((max(16, round(size[0] * factor)), max(16, round(size[1] * factor))), seed)
    frames = (scene.frame1, scene.frame2)
    if scene.frame1.shape[:2] != size:
        frames = tuple(cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in frames)
    frame1, frame2 = (np.asarray(frame, np.uint8) for frame in frames)
    return frame1, frame2


def _write_clip(task: Task) -> None:
    # A scene that grows slowly, and a part of another one that crosses it and turns.
    from flowcli.io.video.write import VideoSink

    (height, width), rate = task.size, Fraction(25)
    unit = max(task.size) / 320
    background, _ = _make_pair((height * 5 // 4, width * 5 // 4), task.number)
    foreground, _ = _make_pair((height, width), task.number + 1)
    Path(task.path).parent.mkdir(parents=True, exist_ok=True)
    with VideoSink(Path(task.path), fps=rate, aspect=Fraction(1), comment="") as sink:
        for number in range(task.frames):
            grow = cv2.getRotationMatrix2D((width / 2, height / 2), 0.1 * number, 1 + 0.002 * number)
            grow[:, 2] -= (width / 8, height / 8)
            frame = cv2.warpAffine(background, grow, (width, height), borderMode=cv2.BORDER_REFLECT)
            x = width / 2 + width / 3 * np.sin(3 * unit * number / width)
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), 2 * number, 1)
            turn[:, 2] += (x - width / 2, 0)
            moved = cv2.warpAffine(foreground, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
            mask = np.zeros((height, width), np.uint8)
            axes = (width // 6, height // 5)
            cv2.ellipse(mask, (round(x), height // 2), axes, -2 * number, 0, 360, 1, -1)
            picture = np.where(mask[..., None] > 0, moved, frame).astype(np.uint8)
            sink.write(str(number), picture, number / rate, 1 / rate)


def main() -> None:
    """Do the tasks of the command line, and print the kinds of the rendered pairs."""
    tasks = [Task(**values | {"size": tuple(values["size"])}) for values in json.loads(sys.argv[1])]
    kinds: list[str] = []
    for task in tasks:
        if task.kind == "rendered":
            kinds.append(_render(task))
        else:
            _make(task)
    print(json.dumps(kinds))


if __name__ == "__main__":
    main()
