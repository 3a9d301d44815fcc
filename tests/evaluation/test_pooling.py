"""How figures of pairs become figures of a data set."""

import pytest

from flowcli.evaluation.datasets import DATASETS
from flowcli.evaluation.metrics import METRICS, PairErrors
from flowcli.evaluation.pooling import ALL_BY_PAIRS, ALL_BY_PIXELS, POOLINGS, PooledErrors, describe


def make_errors(epe_sum: float, pixels: int, outliers: int = 0) -> PairErrors:
    sums, counts = dict.fromkeys(METRICS, 0.0), dict.fromkeys(METRICS, 0)
    sums |= {"epe": epe_sum, "fl": 100.0 * outliers}
    counts |= {"epe": pixels, "fl": pixels}
    return PairErrors(sums, counts)


@pytest.fixture
def pooled() -> PooledErrors:
    errors = PooledErrors()
    errors.add(make_errors(epe_sum=10.0, pixels=10, outliers=5))  # mean 1, Fl 50
    errors.add(make_errors(epe_sum=60.0, pixels=20, outliers=2))  # mean 3, Fl 10
    return errors


def test_pixels_weigh_large_pairs_more_and_pairs_do_not(pooled: PooledErrors) -> None:
    assert pooled.pairs == 2
    assert pooled.over_pixels("epe") == pytest.approx(70 / 30)
    assert pooled.over_pairs("epe") == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("dataset", "epe", "fl"),
    [
        ("sintel-clean", 70 / 30, 700 / 30),
        ("kitti2012", 2.0, 30.0),
        ("kitti2015", 2.0, 700 / 30),
        ("middlebury", 2.0, 30.0),
        ("chairs", 2.0, 30.0),
        ("spring", 70 / 30, 700 / 30),
    ],
)
def test_each_benchmark_has_its_own_headline(pooled: PooledErrors, dataset: str, epe: float, fl: float) -> None:
    assert pooled.headline("epe", POOLINGS[dataset]) == pytest.approx(epe)
    assert pooled.headline("fl", POOLINGS[dataset]) == pytest.approx(fl)


def test_a_pair_without_such_pixels_does_not_pull_the_mean_down(pooled: PooledErrors) -> None:
    errors = make_errors(epe_sum=1.0, pixels=1)
    errors.sums["epe_40"], errors.counts["epe_40"] = 90.0, 2
    pooled.add(errors)
    assert pooled.over_pairs("epe_40") == pooled.over_pixels("epe_40") == pytest.approx(45.0)


def test_a_metric_without_pixels_has_no_figure(pooled: PooledErrors) -> None:
    assert pooled.over_pixels("epe_matched") is None
    assert pooled.over_pairs("epe_matched") is None


def test_every_data_set_says_how_it_is_pooled() -> None:
    assert POOLINGS.keys() == DATASETS.keys()
    assert all(pooling.keys() == METRICS.keys() for pooling in POOLINGS.values())


def test_descriptions() -> None:
    assert describe(ALL_BY_PIXELS) == "means over all pixels of all pairs"
    assert describe(ALL_BY_PAIRS) == "means over pairs of each pair's mean"
    assert describe(POOLINGS["kitti2015"]).startswith(">1px, >3px, >5px, Fl, WAUC: over all pixels")
