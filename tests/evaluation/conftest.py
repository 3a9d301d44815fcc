"""Small data sets in the published layouts; every pair has a constant true flow."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.io.flow import write_flow

SIZE = (6, 8)


def write_frame(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def write_mask(path: Path, marked: np.ndarray) -> None:
    """Grey (H, W) or colour (H, W, 3), 255 where marked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), marked.astype(np.uint8) * 255)


def make_truth(u: float, v: float, unknown: np.ndarray | None = None, factor: int = 1) -> FlowField:
    uv = np.empty((SIZE[0] * factor, SIZE[1] * factor, 2), np.float32)
    uv[:] = u, v
    return FlowField(uv, None if unknown is None else ~unknown)


def write_truth(path: Path, field: FlowField) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flow(path, field)


def mark(rows: slice) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[rows] = True
    return mask


def make_sintel(root: Path) -> None:
    """Two sequences, three frames and two: three pairs; the top row occluded, the second row invalid."""
    for sequence, frames in (("alley_1", 3), ("cave_2", 2)):
        for number in range(1, frames + 1):
            for rendering in ("clean", "final"):
                write_frame(root / f"training/{rendering}/{sequence}/frame_{number:04d}.png", number)
            write_mask(root / f"training/invalid/{sequence}/frame_{number:04d}.png", mark(slice(1, 2)))
            if number < frames:
                write_mask(root / f"training/occlusions/{sequence}/frame_{number:04d}.png", mark(slice(0, 1)))
                write_truth(root / f"training/flow/{sequence}/frame_{number:04d}.flo", make_truth(3, 4))


def make_kitti(root: Path, frames: str) -> None:
    """Two pairs; the last row unknown, the first row hidden in the second frame."""
    for number in (0, 7):
        write_frame(root / f"training/{frames}/{number:06d}_10.png", number)
        write_frame(root / f"training/{frames}/{number:06d}_11.png", number + 1)
        unknown, hidden = mark(slice(5, 6)), mark(slice(0, 1))
        write_truth(root / f"training/flow_occ/{number:06d}_10.png", make_truth(6, 8, unknown))
        write_truth(root / f"training/flow_noc/{number:06d}_10.png", make_truth(6, 8, unknown | hidden))


def make_kitti2012(root: Path) -> None:
    make_kitti(root, "colored_0")


def make_kitti2015(root: Path) -> None:
    make_kitti(root, "image_2")


def make_middlebury(root: Path) -> None:
    """Two sequences with truth, one without as in the published archive."""
    for name in ("Grove2", "Venus", "Beanbags"):
        write_frame(root / f"other-data/{name}/frame10.png", 1)
        write_frame(root / f"other-data/{name}/frame11.png", 2)
    for name in ("Grove2", "Venus"):
        write_truth(root / f"other-gt-flow/{name}/flow10.flo", make_truth(0, 2))


def make_chairs(root: Path) -> None:
    """Three pairs; the second is for validation."""
    for number in (1, 2, 3):
        write_frame(root / f"data/{number:05d}_img1.ppm", number)
        write_frame(root / f"data/{number:05d}_img2.ppm", number + 10)
        write_truth(root / f"data/{number:05d}_flow.flo", make_truth(number, 0))
    (root / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n")


def make_spring(root: Path) -> None:
    """One scene, three frames of the left camera, forward and backward flow, match maps for the forward flow."""
    scene = root / "train/0001"
    occluded, outside = mark(slice(0, 1)), mark(slice(1, 2))
    match_map = np.dstack([np.zeros(SIZE, bool), outside, occluded])  # OpenCV's order: blue, green, red
    for number in (1, 2, 3):
        write_frame(scene / f"frame_left/frame_left_{number:04d}.png", number)
        if number < 3:
            write_truth(scene / f"flow_FW_left/flow_FW_left_{number:04d}.flo5", make_truth(5, 12, factor=2))
            write_mask(scene / f"maps/matchmap_flow_FW_left/matchmap_flow_FW_left_{number:04d}.png", match_map)
        if number > 1:
            write_truth(scene / f"flow_BW_left/flow_BW_left_{number:04d}.flo5", make_truth(-5, 12, factor=2))


def make_hd1k(root: Path) -> None:
    """Two sequences of three and two frames; the last flow of each leads to a frame that is not published."""
    for sequence, frames in ((0, 3), (7, 2)):
        for number in range(10, 10 + frames):
            name = f"{sequence:06d}_{number:04d}.png"
            write_frame(root / f"hd1k_input/image_2/{name}", number)
            write_truth(root / f"hd1k_flow_gt/flow_occ/{name}", make_truth(8, 6, mark(slice(5, 6))))


MAKERS: dict[str, Callable[[Path], None]] = {
    "sintel-clean": make_sintel,
    "sintel-final": make_sintel,
    "kitti2012": make_kitti2012,
    "kitti2015": make_kitti2015,
    "middlebury": make_middlebury,
    "chairs": make_chairs,
    "spring": make_spring,
    "hd1k": make_hd1k,
}


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[[str], Path]:
    """Write a small data set of the given name and return its root."""

    def make(name: str) -> Path:
        root = tmp_path / name
        MAKERS[name](root)
        return root

    return make
