"""Make the inputs that the README's commands name, small, in the current folder."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from flowcli.io.flow import write_flow
from flowcli.io.image import write_image
from flowcli.training.scene import make_scene

SIZE = (96, 128)
FRAMES = 6


def write_clip(path: Path, seed: int) -> list[np.ndarray]:
    """Write a short H.264 clip of a scene that drifts by (1, 2) pixels a frame; returns its frames."""
    scene = make_scene((SIZE[0] + 2 * FRAMES, SIZE[1] + 2 * FRAMES), seed).frame1
    frames = [scene[i : i + SIZE[0], 2 * i : 2 * i + SIZE[1]] for i in range(FRAMES)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return frames


def main() -> None:
    scene = make_scene(SIZE, seed=15)
    write_image("a.png", scene.frame1)
    write_image("b.png", scene.frame2)
    write_flow("truth.flo", scene.truth)
    with Path("pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["dataset", "name", "frame1", "frame2", "flow"], ["made", "scene", "a.png", "b.png", "truth.flo"]]
        )
    frames = write_clip(Path("clip.mp4"), seed=3)
    Path("frames").mkdir()
    for number, frame in enumerate(frames):
        write_image(f"frames/{number:04d}.png", np.ascontiguousarray(frame))
    Path("videos").mkdir()
    for seed in (4, 5):
        write_clip(Path(f"videos/clip{seed}.mp4"), seed)


if __name__ == "__main__":
    main()
