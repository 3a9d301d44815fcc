"""Error measures against values computed by hand."""

import math

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.evaluation.metrics import METRICS, error_map, measure
from flowcli.flow import FlowField


def make_field(*vectors: tuple[float, float], rows: int = 1) -> FlowField:
    return FlowField.with_unknown(np.array(vectors, np.float32).reshape(rows, -1, 2))


NAN = (math.nan, math.nan)


def test_endpoint_error_and_outlier_shares() -> None:
    # Distances 0, 1 (not > 1), 1.5, 3 (not > 3), 5 (not > 5, but > 3), 13.
    truth = make_field(*[(0.0, 0.0)] * 6)
    estimate = make_field((0, 0), (1, 0), (0, -1.5), (0, 3), (3, 4), (5, 12))
    errors = measure(estimate, truth)
    assert errors.value("epe") == pytest.approx((0 + 1 + 1.5 + 3 + 5 + 13) / 6)
    assert errors.value("px1") == pytest.approx(100 * 4 / 6)
    assert errors.value("px3") == pytest.approx(100 * 2 / 6)
    assert errors.value("px5") == pytest.approx(100 * 1 / 6)


def test_fl_needs_three_pixels_and_five_percent_of_the_true_length() -> None:
    truth = make_field((100, 0), (100, 0), (10, 0), (0, 0), (79, 0))
    estimate = make_field((104, 0), (105.5, 0), (7.5, 0), (3.1, 0), (83, 0))
    # 4 of 100 px: under 5 %; 5.5: outlier; 2.5: under 3 px; 3.1 of nothing: outlier; 4 of 79 px: 5.06 %, outlier.
    assert measure(estimate, truth).value("fl") == pytest.approx(60.0)


def test_angular_error_in_degrees() -> None:
    truth = make_field((0, 0), (1, 0), (0, 1), (2, 2))
    estimate = make_field((1, 0), (-1, 0), (0, 1), (2, 2))
    # (1,0,1) to (0,0,1): 45; (1,0,1) to (-1,0,1): 90; equal: 0.
    assert measure(estimate, truth).value("angular") == pytest.approx((45 + 90) / 4)


def test_wauc_is_the_weighted_area_of_the_spring_benchmark() -> None:
    # The sum over 100 thresholds, written out as the benchmark defines it; 0.05 and 5 are thresholds themselves.
    lengths = [0.0, 0.05, 0.051, 0.3, 1.0, 2.49, 4.95, 5.0, 5.01, 60.0]
    errors = np.hypot(np.float32(lengths), 0)
    area, weights = 0.0, 0.0
    for i in range(1, 101):
        weight = 1 - (i - 1) / 100
        area += weight * np.count_nonzero(errors.astype(np.float64) <= i / 20)
        weights += weight
    measured = measure(make_field(*[(length, 0) for length in lengths]), make_field(*[(0, 0)] * len(lengths)))
    assert measured.value("wauc") == pytest.approx(100 * area / (weights * len(lengths)), abs=1e-9)
    assert measure(make_field((0, 0)), make_field((0, 0))).value("wauc") == pytest.approx(100)


def test_small_angles_do_not_drown_in_rounding() -> None:
    errors = measure(make_field((1e-5, 0)), make_field((0, 0)))
    assert errors.value("angular") == pytest.approx(math.degrees(1e-5), rel=1e-6)


def test_speed_classes_are_those_of_the_truth_with_lower_ends_included() -> None:
    truth = make_field((9.99, 0), (10, 0), (0, -39.9), (24, 32), (300, 0))
    estimate = make_field((8.99, 0), (12, 0), (0, -35.9), (24, 40), (316, 0))
    errors = measure(estimate, truth)
    assert errors.value("epe_0_10") == pytest.approx(1.0, abs=1e-6)
    assert errors.value("epe_10_40") == pytest.approx((2 + 4) / 2, abs=1e-5)
    assert errors.value("epe_40") == pytest.approx((8 + 16) / 2)
    assert [errors.counts[key] for key in ("epe_0_10", "epe_10_40", "epe_40")] == [1, 2, 2]


def test_matched_and_unmatched_split_the_known_pixels() -> None:
    truth = make_field((0, 0), (0, 0), (0, 0), NAN)
    estimate = make_field((1, 0), (2, 0), (6, 0), (50, 0))
    errors = measure(estimate, truth, matched=np.array([[True, True, False, True]]))
    assert errors.value("epe_matched") == pytest.approx(1.5)
    assert errors.value("epe_unmatched") == pytest.approx(6.0)
    assert errors.counts["epe_matched"] + errors.counts["epe_unmatched"] == errors.counts["epe"] == 3


def test_what_leaves_the_frame_is_apart_from_what_is_covered() -> None:
    truth = make_field((-1, 0), (0, 0), (0, 0.5), (0, 0), (2, 0), NAN)
    estimate = make_field((0, 0), (0, 0), (0, 0.5), (0, 2), (7, 0), (9, 9))
    errors = measure(estimate, truth, matched=np.array([[False, True, False, False, False, False]]))
    assert [errors.counts[key] for key in ("epe_outside", "epe_covered", "epe_unmatched")] == [3, 1, 4]
    assert errors.value("epe_outside") == pytest.approx((1 + 0 + 5) / 3)
    assert errors.value("epe_covered") == pytest.approx(2.0)
    unmasked = measure(estimate, truth)
    assert unmasked.value("epe_outside") == errors.value("epe_outside")
    assert unmasked.value("epe_covered") is None


def test_without_a_mask_nothing_is_said_about_matching() -> None:
    errors = measure(make_field((1, 0)), make_field((0, 0)))
    assert errors.value("epe_matched") is None
    assert errors.value("epe_unmatched") is None


def test_unknown_truth_takes_part_in_nothing() -> None:
    known = measure(make_field((1, 0), (4, 0)), make_field((0, 0), (0, 0)))
    with_unknown = measure(make_field((1, 0), (9, 9), (4, 0)), make_field((0, 0), NAN, (0, 0)))
    assert with_unknown == known
    assert all(math.isfinite(value) for value in with_unknown.sums.values())


def test_an_estimate_may_be_unknown_where_the_truth_is() -> None:
    assert measure(make_field((1, 0), NAN), make_field((0, 0), NAN)).value("epe") == 1.0


def test_every_metric_of_the_table_is_measured() -> None:
    errors = measure(make_field((1, 0)), make_field((0, 0)))
    assert errors.sums.keys() == errors.counts.keys() == METRICS.keys()


class TestSeveralSamplesPerPixel:
    """Two pixels in a row, a truth of 2 x 4 samples."""

    truth = make_field((0, 0), (8, 0), (50, 0), (50, 0), (0, 16), (0, 4), (50, 0), (54, 0), rows=2)

    def test_the_nearest_sample_counts(self) -> None:
        errors = measure(make_field((0, 5), (51, 0)), self.truth, truth_factor=2)
        assert errors.value("epe") == pytest.approx((1 + 1) / 2)

    def test_the_angle_is_taken_to_the_nearest_sample(self) -> None:
        errors = measure(make_field((0, 4), (54, 0)), self.truth, truth_factor=2)
        assert errors.value("angular") == pytest.approx(0.0)

    def test_speed_is_the_mean_and_fl_uses_the_longest(self) -> None:
        # Lengths 0, 8, 16, 4: mean 7; 50, 50, 50, 54: mean 51.
        errors = measure(make_field((0, 5), (57.1, 0)), self.truth, truth_factor=2)
        assert errors.value("epe_0_10") == pytest.approx(1.0)
        assert errors.value("epe_40") == pytest.approx(3.1, abs=1e-5)
        # 3.1 px is beyond 5 % of 54 px (2.7), 1 px is not beyond 3 px.
        assert errors.value("fl") == pytest.approx(50.0)

    def test_fl_forgives_by_the_longest_sample(self) -> None:
        # Nearest sample at 10 px, 4 px off; the longest of 100 px lifts the bound to 5 px.
        truth = make_field((10, 0), (100, 0), (10, 0), (10, 0), rows=2)
        assert measure(make_field((6, 0)), truth, truth_factor=2).value("fl") == 0.0

    def test_a_pixel_with_one_unknown_sample_is_unknown(self) -> None:
        uv = self.truth.uv.copy()
        uv[1, 1] = np.nan
        errors = measure(make_field((0, 5), (51, 0)), FlowField.with_unknown(uv), truth_factor=2)
        assert errors.counts["epe"] == 1

    def test_the_map_shows_the_same_errors(self) -> None:
        found = error_map(make_field((0, 5), (52, 0)), self.truth, truth_factor=2)
        np.testing.assert_allclose(found, [[1.0, 2.0]])


def test_map_is_unknown_where_the_truth_is() -> None:
    found = error_map(make_field((3, 4), (1, 1)), make_field((0, 0), NAN))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[5.0, np.nan]], np.float32))


@pytest.mark.parametrize(
    ("estimate", "truth", "matched", "message"),
    [
        (make_field((0, 0)), make_field((0, 0), (0, 0)), None, "expected a truth of 1x1 pixels, got 2x1"),
        (make_field((0, 0)), make_field(NAN), None, "at least one known pixel, got none"),
        (make_field((0, 0), NAN), make_field((0, 0), (0, 0)), None, "got none at 1 of 2"),
        (make_field((0, 0)), make_field((0, 0)), np.ones((2, 1), bool), r"mask as \(1, 1\), got \(2, 1\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    estimate: FlowField, truth: FlowField, matched: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        measure(estimate, truth, matched)
