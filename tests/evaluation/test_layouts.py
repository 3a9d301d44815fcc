"""The published layouts: what is found in a complete one, and what is said about an incomplete one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowcli.errors import FormatError, InputError
from flowcli.evaluation.datasets import DATASETS, open_dataset
from flowcli.evaluation.metrics import PairErrors, measure
from flowcli.flow import FlowField
from flowcli.io.image import read_image

MakeDataset = Callable[[str], Path]

# Data set -> pair names, length of the true flow of each pair, matched and unmatched pixels of each pair (of 6 x 8).
EXPECTED: dict[str, tuple[list[str], list[float], int, int]] = {
    "sintel-clean": (["alley_1/frame_0001", "alley_1/frame_0002", "cave_2/frame_0001"], [5, 5, 5], 32, 16),
    "sintel-final": (["alley_1/frame_0001", "alley_1/frame_0002", "cave_2/frame_0001"], [5, 5, 5], 32, 16),
    "kitti2012": (["000000_10", "000007_10"], [10, 10], 32, 8),
    "kitti2015": (["000000_10", "000007_10"], [10, 10], 32, 8),
    "middlebury": (["Grove2", "Venus"], [2, 2], 0, 0),
    "chairs": (["00002"], [2], 0, 0),
    "hd1k": (["000000_0010", "000000_0011", "000007_0010"], [10, 10, 10], 0, 0),
}
SPRING_FORWARD = ["0001/FW_left_0001", "0001/FW_left_0002"]
SPRING_BACKWARD = ["0001/BW_left_0002", "0001/BW_left_0003"]


def measure_zero(dataset: str, root: Path) -> list[PairErrors]:
    """Errors of zero flow, read through everything that a pair offers."""
    found = []
    for pair in open_dataset(dataset, root):
        estimate = FlowField(np.zeros((*read_image(pair.frame1).shape[:2], 2), np.float32))
        matched = None if pair.read_matched is None else pair.read_matched()
        found.append(measure(estimate, pair.read_truth(), matched, pair.truth_factor))
    return found


@pytest.mark.parametrize("dataset", EXPECTED)
def test_pairs_truths_and_masks_of_a_complete_data_set(make_dataset: MakeDataset, dataset: str) -> None:
    names, lengths, matched, unmatched = EXPECTED[dataset]
    root = make_dataset(dataset)
    pairs = open_dataset(dataset, root)
    assert [pair.name for pair in pairs] == names
    assert {pair.dataset for pair in pairs} == {dataset}
    assert all(pair.frame1.is_file() and pair.frame2.is_file() and pair.frame1 != pair.frame2 for pair in pairs)
    errors = measure_zero(dataset, root)
    assert [error.value("epe") for error in errors] == pytest.approx(lengths)
    assert {error.counts["epe_matched"] for error in errors} == {matched}
    assert {error.counts["epe_unmatched"] for error in errors} == {unmatched}


def test_second_frames_follow_first_frames(make_dataset: MakeDataset) -> None:
    for pair in open_dataset("sintel-final", make_dataset("sintel-final")):
        assert pair.frame1.parent == pair.frame2.parent
        assert pair.frame1.parts[-3] == "final"
        assert int(pair.frame2.stem[-4:]) == int(pair.frame1.stem[-4:]) + 1


def test_every_data_set_of_the_table_is_tested() -> None:
    assert {*EXPECTED, "spring"} == DATASETS.keys()


class TestSpring:
    """4K truth for every frame pixel, both directions."""

    def test_pairs_and_directions(self, make_dataset: MakeDataset) -> None:
        pairs = open_dataset("spring", make_dataset("spring"))
        assert [pair.name for pair in pairs] == SPRING_FORWARD + SPRING_BACKWARD
        assert [pair.frame2.stem[-1] for pair in pairs] == ["2", "3", "1", "2"]

    def test_truth_is_in_pixels_of_the_frame(self, make_dataset: MakeDataset) -> None:
        errors = measure_zero("spring", make_dataset("spring"))
        assert [error.value("epe") for error in errors] == pytest.approx([13.0] * 4)
        assert {error.counts["epe"] for error in errors} == {48}

    def test_occluded_and_outside_are_unmatched_and_backward_has_no_maps(self, make_dataset: MakeDataset) -> None:
        errors = measure_zero("spring", make_dataset("spring"))
        assert [error.counts["epe_unmatched"] for error in errors] == [16, 16, 0, 0]
        assert [error.counts["epe_matched"] for error in errors] == [32, 32, 0, 0]

    def test_one_direction_alone_is_enough(self, make_dataset: MakeDataset) -> None:
        root = make_dataset("spring")
        shutil.rmtree(root / "train/0001/flow_BW_left")
        assert [pair.name for pair in open_dataset("spring", root)] == SPRING_FORWARD

    def test_no_flow_at_all_is_said(self, make_dataset: MakeDataset) -> None:
        root = make_dataset("spring")
        for direction in ("FW", "BW"):
            shutil.rmtree(root / f"train/0001/flow_{direction}_left")
        with pytest.raises(InputError, match=r"spring: expected the files .*flow_FW_left_NNNN.flo5, found nothing"):
            open_dataset("spring", root)


MISSING = [
    ("sintel-clean", "training/clean/alley_1/frame_0002.png"),
    ("sintel-clean", "training/clean/cave_2/frame_0002.png"),
    ("sintel-clean", "training/flow/alley_1/frame_0001.flo"),
    ("sintel-final", "training/occlusions/cave_2/frame_0001.png"),
    ("sintel-final", "training/invalid/alley_1/frame_0001.png"),
    ("kitti2012", "training/colored_0/000007_11.png"),
    ("kitti2015", "training/image_2/000000_10.png"),
    ("kitti2015", "training/flow_occ/000007_10.png"),
    ("kitti2015", "training/flow_noc/000007_10.png"),
    ("middlebury", "other-data/Grove2/frame11.png"),
    ("middlebury", "other-gt-flow/Venus/flow10.flo"),
    ("chairs", "data/00002_img2.ppm"),
    ("chairs", "data/00002_flow.flo"),
    ("hd1k", "hd1k_input/image_2/000007_0011.png"),
    ("hd1k", "hd1k_flow_gt/flow_occ/000000_0011.png"),
    ("spring", "train/0001/frame_left/frame_left_0003.png"),
    ("spring", "train/0001/flow_FW_left/flow_FW_left_0001.flo5"),
    ("spring", "train/0001/maps/matchmap_flow_FW_left/matchmap_flow_FW_left_0002.png"),
]


@pytest.mark.parametrize(("dataset", "file"), MISSING)
def test_a_missing_file_is_named(make_dataset: MakeDataset, dataset: str, file: str) -> None:
    root = make_dataset(dataset)
    (root / file).unlink()
    with pytest.raises(InputError) as caught:
        open_dataset(dataset, root)
    text = str(caught.value)
    assert f"expected the file {root / file}, found nothing there; below its root the data set has" in text
    assert "\n" not in text


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_empty_root_is_refused(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(InputError, match=f"{dataset}: expected the folder {tmp_path}.*found nothing there"):
        open_dataset(dataset, tmp_path)


@pytest.mark.parametrize(
    ("dataset", "folders"),
    [
        ("sintel-clean", ["training/clean", "training/flow"]),
        ("sintel-clean", ["training/clean/alley_1", "training/flow"]),
        ("kitti2015", ["training/image_2", "training/flow_occ"]),
        ("middlebury", ["other-data", "other-gt-flow"]),
        ("chairs", ["data"]),
        ("hd1k", ["hd1k_input/image_2", "hd1k_flow_gt/flow_occ"]),
        ("spring", ["train/0001/frame_left"]),
    ],
)
def test_empty_folders_are_refused(tmp_path: Path, dataset: str, folders: list[str]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError, match=f"{dataset}: expected the files .*found nothing there"):
        open_dataset(dataset, tmp_path)


def test_sintel_without_occlusions_says_nothing_about_matching(make_dataset: MakeDataset) -> None:
    root = make_dataset("sintel-clean")
    shutil.rmtree(root / "training/occlusions")
    assert {error.counts["epe_matched"] for error in measure_zero("sintel-clean", root)} == {0}


def test_kitti_without_flow_noc_says_nothing_about_matching(make_dataset: MakeDataset) -> None:
    root = make_dataset("kitti2015")
    shutil.rmtree(root / "training/flow_noc")
    assert all(pair.read_matched is None for pair in open_dataset("kitti2015", root))


def test_kitti2012_falls_back_to_grey_frames(make_dataset: MakeDataset) -> None:
    root = make_dataset("kitti2012")
    (root / "training/colored_0").rename(root / "training/image_0")
    assert {pair.frame1.parent.name for pair in open_dataset("kitti2012", root)} == {"image_0"}


def test_chairs_without_a_split_are_all_measured(make_dataset: MakeDataset) -> None:
    root = make_dataset("chairs")
    (root / "FlyingChairs_train_val.txt").unlink()
    assert [pair.name for pair in open_dataset("chairs", root)] == ["00001", "00002", "00003"]


@pytest.mark.parametrize(
    ("split", "message"),
    [("1\n2\n", "a line for every pair up to 00003, found 2 lines"), ("1\n1\n1\n", "lines with 2 for the validation")],
)
def test_a_split_that_does_not_fit_is_refused(make_dataset: MakeDataset, split: str, message: str) -> None:
    root = make_dataset("chairs")
    (root / "FlyingChairs_train_val.txt").write_text(split)
    with pytest.raises(FormatError, match=message):
        open_dataset("chairs", root)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a data set of sintel-clean, .*spring, hd1k, got things"):
        open_dataset("things", tmp_path)
