"""KITTI flow, training parts: 2012 (Geiger et al., CVPR 2012), 194 pairs; 2015 (Menze & Geiger, CVPR 2015), 200."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout, file_numbers
from flowcli.io.flow import read_flow

# Folders with frames, the first that is there is taken: KITTI 2012 comes in colour and in grey.
FRAME_FOLDERS = {"kitti2012": ("colored_0", "image_0"), "kitti2015": ("image_2",)}


def list_kitti(root: Path, dataset: str) -> list[LabelledPair]:
    """List the pairs of `dataset` "kitti2012" or "kitti2015".

    Truth is `flow_occ`; matched are the pixels known in `flow_noc`, if that folder is there.

    Raises:
        InputError: if a frame or a truth is missing.
    """
    candidates = FRAME_FOLDERS[dataset]
    layout = Layout(dataset, root, f"training/{{{' or '.join(candidates)},flow_occ,flow_noc}}/NNNNNN_{{10,11}}.png")
    present = [name for name in candidates if (root / "training" / name).is_dir()]
    frames = layout.folder(f"training/{(present or candidates)[0]}")
    truths, visible = layout.folder("training/flow_occ"), root / "training/flow_noc"
    numbers = sorted({*file_numbers(truths, "", "_10.png"), *file_numbers(frames, "", "_11.png")})
    layout.something(numbers, truths / "NNNNNN_10.png")
    pairs: list[LabelledPair] = []
    for number in numbers:
        name = f"{number:06d}_10"
        frame1, frame2, truth = frames / f"{name}.png", frames / f"{number:06d}_11.png", truths / f"{name}.png"
        layout.files(frame1, frame2, truth)
        matched = None
        if visible.is_dir():
            layout.files(visible / truth.name)
            matched = partial(_read_known, visible / truth.name)
        results = (f"flow/{name}", name, f"flow_occ/{name}")
        pairs.append(LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), matched, results=results))
    return pairs


def _read_known(path: Path) -> NDArray[np.bool_]:
    return read_flow(path).known
