"""MPI Sintel, training part (Butler et al., ECCV 2012): 1041 pairs of 1024x436, in a clean and a final rendering."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout, file_numbers, folder_names
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image


def list_sintel(root: Path, dataset: str) -> list[LabelledPair]:
    """List the pairs of `dataset` "sintel-clean" or "sintel-final" under the root of MPI-Sintel-complete.

    Matched are the pixels that neither `occlusions` nor `invalid` marks; without the folder `occlusions` nothing is
    said about matching. Invalid pixels stay in the totals, as in the figures that papers report on this set.

    Raises:
        InputError: if a frame, a truth or a mask is missing.
    """
    rendering = dataset.removeprefix("sintel-")
    layout = Layout(dataset, root, f"training/{{{rendering},flow,occlusions,invalid}}/SEQUENCE/frame_NNNN.{{png,flo}}")
    frames, flows = layout.folder(f"training/{rendering}"), layout.folder("training/flow")
    masks = [folder for name in ("occlusions", "invalid") if (folder := root / "training" / name).is_dir()]
    has_occlusions = (root / "training/occlusions").is_dir()
    sequences = sorted({*folder_names(frames), *folder_names(flows)})
    layout.something(sequences, frames / "SEQUENCE")
    pairs: list[LabelledPair] = []
    for sequence in sequences:
        numbers = file_numbers(frames / sequence, "frame_", ".png")
        numbers += [n + 1 for n in file_numbers(flows / sequence, "frame_", ".flo")]
        layout.something(numbers, frames / sequence / "frame_NNNN.png")
        for number in range(min(numbers), max(numbers)):
            frame1, frame2 = (frames / sequence / f"frame_{n:04d}.png" for n in (number, number + 1))
            truth = flows / sequence / f"frame_{number:04d}.flo"
            marks = [folder / sequence / frame1.name for folder in masks]
            layout.files(frame1, frame2, truth, *marks)
            matched = partial(_read_unmarked, marks) if has_occlusions else None
            name = f"{sequence}/{frame1.stem}"
            results = (f"{rendering}/{name}", name)
            pairs.append(
                LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), matched, results=results)
            )
    return pairs


def _read_unmarked(marks: list[Path]) -> NDArray[np.bool_]:
    return ~np.logical_or.reduce([read_image(path).any(axis=2) for path in marks])
