"""Running an estimator over labelled pairs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.estimator import Estimator
from flowcli.evaluation import labelled, run
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.run import evaluate
from flowcli.flow import FlowField, Frame, Pair
from flowcli.io.image import write_image


def make_pairs(folder: Path, count: int, truth: FlowField, second_size: tuple[int, int] = (4, 5)) -> list[LabelledPair]:
    pairs = []
    for number in range(count):
        frame1, frame2 = folder / f"{number}_1.png", folder / f"{number}_2.png"
        write_image(frame1, np.full((4, 5, 3), number, np.uint8))
        write_image(frame2, np.full((*second_size, 3), number, np.uint8))
        pairs.append(LabelledPair("set", f"pair{number}", frame1, frame2, lambda: truth))
    return pairs


def make_constant(u: float, v: float) -> FlowField:
    return FlowField(np.broadcast_to(np.array([u, v], np.float32), (4, 5, 2)))


class FrameValue:
    """Answers (grey value of frame 1, 0) everywhere; likes three pairs at once if told to read ahead."""

    def __init__(self, reads_ahead: bool = False) -> None:
        self.pairs_at_once = 3 if reads_ahead else 1

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        return [make_constant(float(frame1[0, 0, 0]), 0) for frame1, _ in pairs]


@pytest.mark.parametrize("reads_ahead", [False, True])
def test_results_come_in_order_with_their_own_errors(tmp_path: Path, reads_ahead: bool) -> None:
    pairs = make_pairs(tmp_path, 3, make_constant(0, 0))
    results = list(evaluate(Estimator(FrameValue(reads_ahead)), pairs))
    assert [result.pair.name for result in results] == ["pair0", "pair1", "pair2"]
    assert [result.errors.value("epe") for result in results] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("reads_ahead", "files"), [(False, 2), (True, 6)])
def test_no_more_pairs_are_read_than_the_method_likes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads_ahead: bool, files: int
) -> None:
    read: list[Path] = []
    read_images = labelled.read_images

    def counted(paths: Sequence[Path]) -> list[Frame]:
        read.extend(paths)
        return read_images(paths)

    monkeypatch.setattr(labelled, "read_images", counted)
    next(evaluate(Estimator(FrameValue(reads_ahead)), make_pairs(tmp_path, 4, make_constant(0, 0))))
    assert len(read) == files


@pytest.mark.parametrize(("reads_ahead", "expected"), [(False, [7.0, 7.0]), (True, [14.0, 0.0])])
def test_seconds_leave_reading_and_measuring_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads_ahead: bool, expected: list[float]
) -> None:
    now = 0.0
    read_images = labelled.read_images

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    def slow_read(paths: Sequence[Path]) -> list[Frame]:
        spend(100 * len(paths))
        return read_images(paths)

    class Slow(FrameValue):
        def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
            spend(7 * len(pairs))
            return super().estimate(pairs)

    truth = make_constant(0, 0)

    def slow_truth() -> FlowField:
        spend(1000)
        return truth

    pairs = [
        LabelledPair("set", pair.name, pair.frame1, pair.frame2, slow_truth) for pair in make_pairs(tmp_path, 2, truth)
    ]
    monkeypatch.setattr(run, "perf_counter", lambda: now)
    monkeypatch.setattr(labelled, "read_images", slow_read)
    assert [result.seconds for result in evaluate(Estimator(Slow(reads_ahead)), pairs)] == expected


def test_frames_of_unequal_size_are_refused_by_name(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 1, make_constant(0, 0), second_size=(4, 6))
    with pytest.raises(InputError, match="set pair0: expected two frames of equal size, got 5x4 and 6x4"):
        list(evaluate(Estimator(FrameValue()), pairs))


def test_a_truth_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 1, FlowField(np.zeros((8, 10, 2), np.float32)))
    with pytest.raises(InputError, match="set pair0: expected a truth of 5x4 pixels, got 10x8"):
        list(evaluate(Estimator(FrameValue()), pairs))
