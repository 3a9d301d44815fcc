"""HD1K (Kondermann et al., CVPR Workshops 2016): 1047 training pairs of 2560x1080 from 36 street sequences."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout
from flowcli.io.flow import read_flow

_NAME = re.compile(r"(\d+)_(\d+)\.png")


def list_hd1k(root: Path, dataset: str) -> list[LabelledPair]:
    """List the training pairs under the root of the unpacked archives, in order of sequence and frame.

    A flow file has the name of its first frame, SEQUENCE_FRAME.png. The last one of a sequence leads to a frame that
    is not published: it is left out, as in torchvision and RAFT.

    Raises:
        InputError: if a frame or a truth is missing.
    """
    layout = Layout(dataset, root, "{hd1k_input/image_2,hd1k_flow_gt/flow_occ}/NNNNNN_NNNN.png")
    frames, truths = layout.folder("hd1k_input/image_2"), layout.folder("hd1k_flow_gt/flow_occ")
    names = {path.name for folder in (frames, truths) for path in folder.iterdir()}
    numbers = sorted((match[1], int(match[2]), match[2]) for name in names if (match := _NAME.fullmatch(name)))
    layout.something([sequence for sequence, *_ in numbers], truths / "NNNNNN_NNNN.png")
    last = {sequence: number for sequence, number, _ in numbers}
    pairs: list[LabelledPair] = []
    for sequence, number, digits in numbers:
        if number == last[sequence]:
            continue
        name = f"{sequence}_{digits}"
        frame1, truth = frames / f"{name}.png", truths / f"{name}.png"
        frame2 = frames / f"{sequence}_{number + 1:0{len(digits)}d}.png"
        layout.files(frame1, frame2, truth)
        results = (name, f"flow_occ/{name}", f"hd1k_flow_gt/flow_occ/{name}")
        pairs.append(LabelledPair(dataset, name, frame1, frame2, partial(read_flow, truth), results=results))
    return pairs
