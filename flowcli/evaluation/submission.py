"""SUBMISSIONS: the test parts of the benchmarks, and the names and formats in which they take results.

Sintel       clean/SEQUENCE/frame_NNNN.flo and final/..., named after the first frame, for the bundler of the download.
KITTI 2012   NNNNNN_10.png in the root of a zip file; KITTI's 16-bit PNG (readme.txt of the development kit).
KITTI 2015   flow/NNNNNN_10.png in a zip file, likewise.
Spring       NNNN/flow_{FW,BW}_{left,right}/flow_{FW,BW}_{left,right}_NNNN.flo5 at 1920x1080, from which the benchmark's
             own program `flow_subsampling` makes the file to upload: which pixels it takes is secret.

Every pixel has to be known: the benchmarks refuse or punish gaps, so an estimate that leaves one out is an error here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import InputError, OutputError, UsageError
from flowcli.estimator import Estimator
from flowcli.evaluation.layouts.kitti import FRAME_FOLDERS
from flowcli.evaluation.layouts.presence import Layout, file_numbers, folder_names
from flowcli.evaluation.layouts.spring import STEPS
from flowcli.flow import Pair, check_pair
from flowcli.io.flow import write_flow
from flowcli.io.image import read_images

RENDERINGS = ("clean", "final")


@dataclass(frozen=True)
class TestPair:
    """A pair without known flow.

    Attributes:
        frame1: image file.
        frame2: image file.
        result: where its result belongs, relative to the folder of the submission.
    """

    __test__ = False  # for pytest, which takes the name for a test's

    frame1: Path
    frame2: Path
    result: Path


@dataclass(frozen=True)
class Submission:
    """A benchmark that takes results.

    Attributes:
        list_pairs: from the root of the data set to its pairs.
        next_step: what the user does with the folder, one line.
    """

    list_pairs: Callable[[Path], list[TestPair]]
    next_step: str


def _list_sintel(root: Path) -> list[TestPair]:
    layout = Layout("sintel", root, "test/{clean,final}/SEQUENCE/frame_NNNN.png")
    pairs: list[TestPair] = []
    for rendering in RENDERINGS:
        folder = layout.folder(f"test/{rendering}")
        sequences = folder_names(folder)
        layout.something(sequences, folder / "SEQUENCE")
        for sequence in sequences:
            numbers = file_numbers(folder / sequence, "frame_", ".png")
            layout.something(numbers, folder / sequence / "frame_NNNN.png")
            for number in range(min(numbers), max(numbers)):
                frames = [folder / sequence / f"frame_{n:04d}.png" for n in (number, number + 1)]
                layout.files(*frames)
                pairs.append(TestPair(frames[0], frames[1], Path(rendering, sequence, f"frame_{number:04d}.flo")))
    return pairs


def _list_kitti(root: Path, dataset: str, folder: str) -> list[TestPair]:
    candidates = FRAME_FOLDERS[dataset]
    layout = Layout(dataset, root, f"testing/{' or '.join(candidates)}/NNNNNN_{{10,11}}.png")
    present = [name for name in candidates if (root / "testing" / name).is_dir()]
    frames = layout.folder(f"testing/{(present or candidates)[0]}")
    numbers = sorted({*file_numbers(frames, "", "_10.png"), *file_numbers(frames, "", "_11.png")})
    layout.something(numbers, frames / "NNNNNN_10.png")
    pairs: list[TestPair] = []
    for number in numbers:
        frame1, frame2 = (frames / f"{number:06d}_{end}.png" for end in (10, 11))
        layout.files(frame1, frame2)
        pairs.append(TestPair(frame1, frame2, Path(folder, frame1.name)))
    return pairs


def _list_spring(root: Path) -> list[TestPair]:
    layout = Layout("spring", root, "test/NNNN/frame_{left,right}/frame_{left,right}_NNNN.png")
    test = layout.folder("test")
    pairs: list[TestPair] = []
    for scene in folder_names(test):
        for camera in ("left", "right"):
            frames = layout.folder(f"test/{scene}/frame_{camera}")
            numbers = file_numbers(frames, f"frame_{camera}_", ".png")
            layout.something(numbers, frames / f"frame_{camera}_NNNN.png")
            for direction, step in STEPS.items():
                kind = f"flow_{direction}_{camera}"
                for number in numbers if step > 0 else reversed(numbers):
                    if not min(numbers) <= number + step <= max(numbers):
                        continue
                    frame1, frame2 = (frames / f"frame_{camera}_{n:04d}.png" for n in (number, number + step))
                    layout.files(frame1, frame2)
                    pairs.append(TestPair(frame1, frame2, Path(scene, kind, f"{kind}_{number:04d}.flo5")))
    layout.something([str(pair.result) for pair in pairs], test / "NNNN/frame_left/frame_left_NNNN.png")
    return pairs


SUBMISSIONS: dict[str, Submission] = {
    "sintel": Submission(
        _list_sintel, "run the bundler that comes with MPI-Sintel: bundler FOLDER/clean FOLDER/final OUT"
    ),
    "kitti2012": Submission(
        lambda root: _list_kitti(root, "kitti2012", "."), "upload the PNG files: (cd FOLDER && zip kitti2012.zip *.png)"
    ),
    "kitti2015": Submission(
        lambda root: _list_kitti(root, "kitti2015", "flow"),
        "upload the folder: (cd FOLDER && zip -r kitti2015.zip flow)",
    ),
    "spring": Submission(
        _list_spring, "run the benchmark's program on it and upload what it writes: flow_subsampling FOLDER"
    ),
}


def find_submission(name: str) -> Submission:
    """Return a row of SUBMISSIONS; raises UsageError that lists the names."""
    if name not in SUBMISSIONS:
        raise UsageError(f"expected a benchmark of {', '.join(SUBMISSIONS)}, got {name}")
    return SUBMISSIONS[name]


def write_submission(estimator: Estimator, pairs: Sequence[TestPair], folder: Path) -> Iterator[Path]:
    """Estimate pair after pair and write each result; yields the files, each once it is complete.

    Raises:
        InputError: naming the file, if frames differ in size, or the estimate leaves out a pixel.
        FormatError: if a frame is damaged.
        OutputError: if a result cannot be written.
    """

    def frames() -> Iterator[Pair]:
        for pair in pairs:
            frame1, frame2 = read_images([pair.frame1, pair.frame2])
            try:
                check_pair(frame1, frame2)
            except InputError as error:
                raise InputError(f"{pair.frame1}: {error}") from error
            yield frame1, frame2

    for pair, flow in zip(pairs, estimator.flows(frames()), strict=True):
        if flow.valid is not None:
            raise InputError(f"{pair.frame1}: a benchmark takes the flow of every pixel, the estimate leaves some out")
        path = folder / pair.result
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent}: the folder cannot be made: {error.strerror or error}") from error
        write_flow(path, flow)
        yield path
