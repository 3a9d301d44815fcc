"""Make the README's picture of the styles, by the commands that a user has, from a clip rendered here.

python tests/readme_styles.py .github/pictures/styles.png
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from flowcli.flow import Frame
from flowcli.io.image import read_image, write_image
from flowcli.training.scene import make_scene

HEIGHT, WIDTH = 240, 320
FRAMES = 6
SHOWN = 2  # the pair in the picture
STYLES = ("wheel", "hsv", "magnitude", "arrows", "overlay", "warp", "side-by-side")
_LABEL = 22  # pixels


def draw_frame(number: int) -> Frame:
    """A background that grows slowly, and two cut-outs that turn and cross it in opposite directions."""
    middle = (WIDTH / 2, HEIGHT / 2)
    scenes = [make_scene((HEIGHT * 5 // 4, WIDTH * 5 // 4), seed).frame1 for seed in (3, 8, 4)]
    frame = _move(scenes[0], middle, 0.3 * number, 1 + 0.006 * number, (-20 + number, -10))
    for scene, start, step, turn, axes in (
        (scenes[1], (95, 85), (5, 1.5), -2.0, (62, 44)),
        (scenes[2], (240, 165), (-4, -2), 2.5, (48, 56)),
    ):
        x, y = start[0] + step[0] * number, start[1] + step[1] * number
        moved = _move(scene, (x, y), turn * number, 1, (step[0] * number, step[1] * number))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(
            mask, (round(16 * x), round(16 * y)), (16 * axes[0], 16 * axes[1]), -turn * number, 0, 360, 255, -1, 16, 4
        )
        part = mask[..., None] / 255
        frame = np.rint(moved * part + frame * (1 - part)).astype(np.uint8)
    return frame


def _move(picture: Frame, centre: tuple[float, float], turn: float, scale: float, shift: tuple[float, float]) -> Frame:
    matrix = cv2.getRotationMatrix2D(centre, turn, scale)
    matrix[:, 2] += shift
    moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "flowcli", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def label(picture: Frame, text: str) -> Frame:
    strip = np.full((_LABEL, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, text, (4, _LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return np.concatenate([strip, picture])


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clip").mkdir()
        for number in range(FRAMES):
            write_image(folder / "clip" / f"{number}.png", draw_frame(number))
        run("estimate", folder / "clip", "-o", f"{folder}/flows/", "--occlusion", f"{folder}/occlusion/")
        pictures = {}
        for style in STYLES:
            chosen = ["--style", style, "--legend", "--frames", folder / "clip"]
            run("render", folder / "flows", "-o", f"{folder / style}/", *chosen)
            pictures[style] = read_image(folder / style / f"{SHOWN}.png")
        pictures["occlusion"] = read_image(folder / "occlusion" / f"{SHOWN}.png")
    cells = [label(picture, style) for style, picture in pictures.items()]
    rows = [np.concatenate(row, axis=1) for row in (cells[:3], cells[3:6], cells[6:])]
    write_image(sys.argv[1], np.concatenate(rows))


if __name__ == "__main__":
    main()
