"""Pictures of the worst pairs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from flowcli.errors import OutputError
from flowcli.evaluation.comparison import LABEL_HEIGHT, LEAST_WIDTH, UNKNOWN_COLOR, draw_comparison
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import measure
from flowcli.evaluation.run import PairResult
from flowcli.evaluation.worst import WorstPairs
from flowcli.flow import FlowField
from flowcli.io.image import read_image, write_image


def make_field(height: int, width: int, u: float) -> FlowField:
    return FlowField(np.full((height, width, 2), (u, 0), np.float32))


def make_results(folder: Path, errors: list[float]) -> list[PairResult]:
    write_image(folder / "frame.png", np.full((20, 30, 3), 120, np.uint8))
    truth = make_field(20, 30, 0)
    results = []
    for number, error in enumerate(errors):
        pair = LabelledPair("set", f"scene/{number}", folder / "frame.png", folder / "frame.png", lambda: truth)
        estimate = make_field(20, 30, error)
        results.append(PairResult(pair, measure(estimate, truth), estimate, 0.0))
    return results


def save_worst(folder: Path, count: int, errors: list[float], model: str = "dis") -> list[str]:
    worst = WorstPairs(count)
    for result in make_results(folder, errors):
        worst.add(result)
    return [path.name for path in worst.save(folder / "pictures", model)]


def test_the_worst_are_kept_worst_first(tmp_path: Path) -> None:
    names = save_worst(tmp_path, 2, [1.0, 9.0, 3.0, 7.0])
    assert names == ["dis_001_set_scene-1.png", "dis_002_set_scene-3.png"]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == names


def test_of_equal_errors_the_earlier_is_worse(tmp_path: Path) -> None:
    assert save_worst(tmp_path, 2, [5.0, 5.0, 5.0]) == ["dis_001_set_scene-0.png", "dis_002_set_scene-1.png"]


def test_fewer_pairs_than_asked_for_are_all_drawn(tmp_path: Path) -> None:
    assert len(save_worst(tmp_path, 5, [1.0, 2.0])) == 2


def test_a_path_as_model_name_stays_one_file_name(tmp_path: Path) -> None:
    assert save_worst(tmp_path, 1, [1.0], "runs/a b.safetensors") == ["runs-a-b.safetensors_001_set_scene-0.png"]


def test_pictures_can_be_read_and_hold_four_panels(tmp_path: Path) -> None:
    (name,) = save_worst(tmp_path, 1, [4.0])
    factor = -(-LEAST_WIDTH // 30)
    assert read_image(tmp_path / "pictures" / name).shape == (2 * (20 * factor + LABEL_HEIGHT), 2 * 30 * factor, 3)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("in the way")
    with pytest.raises(OutputError, match="expected a folder to write pictures to"):
        save_worst(tmp_path, 1, [1.0])


class TestPanels:
    """A 400 x 40 pair, wide enough not to be enlarged; errors of 0.1, 1, 10 and 1000 px in four bands of columns."""

    frame = np.full((40, 400, 3), (10, 200, 30), np.uint8)

    def draw(self, unknown: bool = False, factor: int = 1) -> list[np.ndarray]:
        truth = np.zeros((40 * factor, 400 * factor, 2), np.float32)
        if unknown:
            truth[:10] = np.nan
        uv = np.zeros((40, 400, 2), np.float32)
        for band, error in enumerate((0.1, 1.0, 10.0, 1000.0)):
            uv[:, 100 * band : 100 * band + 100, 1] = error
        picture = draw_comparison(self.frame, FlowField.with_unknown(truth), FlowField(uv), "mine", "näme", factor)
        assert picture.shape == (2 * (40 + LABEL_HEIGHT), 800, 3)
        upper, lower = picture[LABEL_HEIGHT : LABEL_HEIGHT + 40], picture[-40:]
        return [upper[:, :400], upper[:, 400:], lower[:, :400], lower[:, 400:]]

    def test_the_frame_is_shown_as_it_is(self) -> None:
        np.testing.assert_array_equal(self.draw()[0], self.frame)

    def test_error_colours_are_fixed(self) -> None:
        error = self.draw()[3]
        assert [tuple(error[20, column]) for column in (50, 150, 250, 350)] == [
            (0, 0, 0),
            (255, 0, 0),
            (255, 255, 0),
            (255, 255, 255),
        ]

    def test_unknown_truth_is_grey_in_the_error(self) -> None:
        error = self.draw(unknown=True)[3]
        assert (error[:10] == UNKNOWN_COLOR).all()
        assert not (error[10:] == UNKNOWN_COLOR).all(axis=2).any()

    def test_still_truth_is_white_and_equal_flow_has_equal_colours(self) -> None:
        _, truth, estimate, _ = self.draw()
        assert (truth == 255).all()
        assert not (estimate[:, 300:] == 255).all()

    def test_a_truth_of_more_samples_is_shown_at_the_size_of_the_frame(self) -> None:
        assert self.draw(factor=2)[1].shape == (40, 400, 3)

    def test_labels_are_drawn_above_each_panel(self) -> None:
        picture = draw_comparison(self.frame, make_field(40, 400, 0), make_field(40, 400, 1), "m" * 200, "n")
        for left in (0, 400):
            for top in (0, 40 + LABEL_HEIGHT):
                strip = cv2.cvtColor(picture[top : top + LABEL_HEIGHT, left : left + 400], cv2.COLOR_RGB2GRAY)
                assert 20 < np.count_nonzero(strip) < strip.size / 2
