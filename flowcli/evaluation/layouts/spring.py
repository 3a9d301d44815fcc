"""Spring, training part (Mehl et al., CVPR 2023): 1920x1080 frames, 3840x2160 truth; two cameras, two directions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.presence import Layout, file_numbers, folder_names
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image

# Number of the second frame relative to the first: forward, backward.
STEPS = {"FW": 1, "BW": -1}
SAMPLES_PER_AXIS = 2


def list_spring(root: Path, dataset: str) -> list[LabelledPair]:
    """List the pairs of every direction and camera whose flow is there; they are published as separate downloads.

    Truth has four samples per frame pixel, in pixels of the 1080p frame. Matched are the pixels that the match map of
    the same flow does not mark as occluded (red) or as out of the frame (green), if the maps are there.

    Raises:
        InputError: if a frame, a truth or a match map is missing, or if there is no flow at all.
    """
    layout = Layout(dataset, root, "train/NNNN/{frame_left/frame_left_NNNN.png,flow_FW_left/flow_FW_left_NNNN.flo5}")
    train = layout.folder("train")
    pairs: list[LabelledPair] = []
    for scene in folder_names(train):
        for camera in ("left", "right"):
            for direction in STEPS:
                pairs += _list_one(layout, train / scene, direction, camera)
    layout.something([pair.name for pair in pairs], train / "NNNN/flow_FW_left/flow_FW_left_NNNN.flo5")
    return pairs


def _list_one(layout: Layout, scene: Path, direction: str, camera: str) -> list[LabelledPair]:
    kind, step = f"{direction}_{camera}", STEPS[direction]
    frames, flows, maps = scene / f"frame_{camera}", scene / f"flow_{kind}", scene / f"maps/matchmap_flow_{kind}"
    if not flows.is_dir():
        return []
    first_frames = file_numbers(frames, f"frame_{camera}_", ".png")
    expected = {n for n in first_frames if n + step in first_frames}
    pairs: list[LabelledPair] = []
    for number in sorted(expected | {*file_numbers(flows, f"flow_{kind}_", ".flo5")}):
        frame1, frame2 = (frames / f"frame_{camera}_{n:04d}.png" for n in (number, number + step))
        truth, matches = flows / f"flow_{kind}_{number:04d}.flo5", maps / f"matchmap_flow_{kind}_{number:04d}.png"
        layout.files(frame1, frame2, truth, *([matches] if maps.is_dir() else []))
        pairs.append(
            LabelledPair(
                layout.dataset,
                f"{scene.name}/{kind}_{number:04d}",
                frame1,
                frame2,
                partial(read_flow, truth),
                partial(_read_matched, matches) if maps.is_dir() else None,
                SAMPLES_PER_AXIS,
                (f"{scene.name}/flow_{kind}/flow_{kind}_{number:04d}",),
            )
        )
    return pairs


def _read_matched(path: Path) -> NDArray[np.bool_]:
    marks = read_image(path) > 0
    return ~(marks[..., 0] | marks[..., 1])
