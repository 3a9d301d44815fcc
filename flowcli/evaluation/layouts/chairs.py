"""FlyingChairs (Dosovitskiy et al., ICCV 2015): 22872 rendered pairs of 512x384, 640 of them for validation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flowcli.errors import FormatError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout, file_numbers
from flowcli.io.flow import read_flow

SPLIT_FILE = "FlyingChairs_train_val.txt"
VALIDATION = "2"


def list_chairs(root: Path, dataset: str) -> list[LabelledPair]:
    """List the validation pairs if the published split file lies in `root`, else all pairs.

    The split file has one line per pair, counted from pair 00001: 1 is training, 2 is validation.

    Raises:
        InputError: if a frame or a truth is missing.
        FormatError: if the split file has no line for a pair that is there, or marks none of them for validation.
    """
    layout = Layout(dataset, root, "data/NNNNN_{img1.ppm,img2.ppm,flow.flo}")
    data = layout.folder("data")
    numbers = sorted({*file_numbers(data, "", "_flow.flo"), *file_numbers(data, "", "_img1.ppm")})
    layout.something(numbers, data / "NNNNN_flow.flo")
    split = root / SPLIT_FILE
    if split.is_file():
        numbers = _validation_numbers(split, numbers)
    pairs: list[LabelledPair] = []
    for number in numbers:
        frame1, frame2, truth = (data / f"{number:05d}_{end}" for end in ("img1.ppm", "img2.ppm", "flow.flo"))
        layout.files(frame1, frame2, truth)
        name = f"{number:05d}"
        results = (f"{name}_flow", name, f"data/{name}_flow")
        pairs.append(LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), results=results))
    return pairs


def _validation_numbers(split: Path, numbers: list[int]) -> list[int]:
    marks = split.read_text(encoding="ascii", errors="replace").split()
    if not 1 <= numbers[0] <= numbers[-1] <= len(marks):
        raise FormatError(f"{split}: expected a line for every pair up to {numbers[-1]:05d}, found {len(marks)} lines")
    chosen = [number for number in numbers if marks[number - 1] == VALIDATION]
    if not chosen:
        raise FormatError(
            f"{split}: expected lines with {VALIDATION} for the validation pairs, found none for these pairs"
        )
    return chosen
