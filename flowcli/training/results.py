"""What a run leaves in its folder: weights for `--model`, a log in JSON lines and its curve as a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np

from flowcli.checkpoints import save_checkpoint
from flowcli.errors import OutputError
from flowcli.io.image import write_result
from flowcli.training.state import TrainingState

_LONGEST_LINE = 10_000
WEIGHTS, LOG, CURVE = "weights.safetensors", "log.jsonl", "curve.png"


def prepare_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder of a run; OutputError when it already holds one that is not to be resumed, or cannot be made."""
    if not resume and (folder / "state.pt").exists():
        raise OutputError(f"{folder} already holds a run; use --resume to go on with it, or another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: expected a folder for the run, {error.strerror}") from None


def append_log(folder: Path, row: dict[str, float]) -> None:
    """Add one line of figures to the log; OutputError when it cannot be written."""
    try:
        with (folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
    except OSError as error:
        raise OutputError(f"{folder / LOG}: cannot be written: {error.strerror or error}") from error


def write_results(folder: Path, state: TrainingState) -> list[Path]:
    """Write the averaged weights and, where there is a log, its curve; returns the files."""
    config = state.config
    recipe = {
        "steps": str(state.step),
        "samples": str(state.samples),
        "settings": json.dumps(config.to_dict()),
    }
    save_checkpoint(folder / WEIGHTS, config.model, state.averaged.state_dict(), recipe)
    paths = [folder / WEIGHTS]
    if (folder / LOG).exists():
        paths.append(folder / LOG)
        if points := read_curve(folder / LOG):
            picture = draw_curve([step for step, _ in points], [ratio for _, ratio in points])
            write_result(folder / CURVE, picture)
            paths.append(folder / CURVE)
    return paths


def read_curve(log: Path) -> list[tuple[float, float]]:
    """Return (step, error / motion) of every line of the log that has them as finite numbers.

    The last line may be cut: the log grows while the run goes on. The run itself needs none of them.
    """
    points: list[tuple[float, float]] = []
    with log.open(encoding="utf-8", errors="replace") as file:
        while line := file.readline(_LONGEST_LINE):
            try:
                row = json.loads(line)
                step, ratio = float(row["step"]), float(row["ratio"])
            except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
                continue
            if 0 <= step < 1e18 and math.isfinite(ratio):
                points.append((step, ratio))
    return points


def draw_curve(steps: list[float], ratios: list[float], size: tuple[int, int] = (360, 640)) -> np.ndarray:
    """Plot error / motion on the validation set, 0 to 1, against steps; uint8 `(H, W, 3)` RGB."""
    height, width = size
    left, bottom, top, right = 50, height - 30, 15, width - 15
    picture = np.full((height, width, 3), 255, np.uint8)
    grey, black, font = (200, 200, 200), (0, 0, 0), cv2.FONT_HERSHEY_SIMPLEX
    for tenth in range(0, 11, 2):
        y = round(bottom - (bottom - top) * tenth / 10)
        cv2.line(picture, (left, y), (right, y), grey, 1)
        cv2.putText(picture, f"{tenth / 10:.1f}", (12, y + 4), font, 0.4, black, 1, cv2.LINE_AA)
    last = max(steps[-1], 1.0)
    cv2.putText(picture, f"{last:.0f} steps", (right - 90, height - 10), font, 0.4, black, 1, cv2.LINE_AA)
    cv2.putText(picture, "error / motion, synthetic validation", (left, height - 10), font, 0.4, black, 1, cv2.LINE_AA)
    points = [
        (round(left + (right - left) * step / last), round(bottom - (bottom - top) * min(max(ratio, 0), 1)))
        for step, ratio in zip(steps, ratios, strict=True)
    ]
    cv2.polylines(picture, [np.array(points, np.int32)], False, (30, 90, 200), 2, cv2.LINE_AA)
    return picture
