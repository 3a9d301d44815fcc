"""Middlebury flow, the sequences with public truth (Baker et al., IJCV 2011): 8 pairs, at most 640x480."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout, folder_names
from flowcli.io.flow import read_flow


def list_middlebury(root: Path, dataset: str) -> list[LabelledPair]:
    """List the pairs; sequences in other-data without truth are published as such and left out.

    Raises:
        InputError: if a frame or a truth is missing.
    """
    layout = Layout(dataset, root, "other-data/NAME/frame{10,11}.png and other-gt-flow/NAME/flow10.flo")
    frames, truths = layout.folder("other-data"), layout.folder("other-gt-flow")
    names = folder_names(truths)
    layout.something(names, truths / "NAME/flow10.flo")
    pairs: list[LabelledPair] = []
    for name in names:
        frame1, frame2, truth = (
            frames / name / "frame10.png",
            frames / name / "frame11.png",
            truths / name / "flow10.flo",
        )
        layout.files(frame1, frame2, truth)
        results = (f"{name}/flow10", name, f"other-gt-flow/{name}/flow10")
        pairs.append(LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), results=results))
    return pairs
