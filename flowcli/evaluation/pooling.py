"""From pairs to one figure per data set, the way each benchmark defines it.

Two ways are in use. "pixels": all pixels of all pairs in one pool. "pairs": the mean over pairs of each pair's mean.

Sintel        pixels, for everything (Butler et al., ECCV 2012; so do RAFT's and most later evaluations).
KITTI 2012    pairs, for everything (statMean over images in evaluate_flow.cpp of the development kit).
KITTI 2015    outlier shares: pixels (the development kit's evaluate_scene_flow.cpp); EPE, which the benchmark does not
              list: pairs, as in RAFT's evaluation and the tables of most papers.
Middlebury    pairs: one figure per sequence is published (Baker et al., IJCV 2011), papers give their mean.
FlyingChairs  pairs; equal to pixels, for all frames are of one size and known everywhere.
Spring        pixels, for everything (evaluation code of the benchmark's website; Mehl et al., CVPR 2023).
HD1K          as KITTI 2015, whose format it has; its own benchmark is closed.
pair lists    pairs, so that large frames do not drown small ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowcli.evaluation.metrics import METRICS, PairErrors

PIXELS, PAIRS = "pixels", "pairs"

# Metric key -> "pixels" or "pairs".
Pooling = dict[str, str]

ALL_BY_PIXELS: Pooling = dict.fromkeys(METRICS, PIXELS)
ALL_BY_PAIRS: Pooling = dict.fromkeys(METRICS, PAIRS)
SHARES_BY_PIXELS: Pooling = {key: PIXELS if metric.unit == "%" else PAIRS for key, metric in METRICS.items()}

POOLINGS: dict[str, Pooling] = {
    "sintel-clean": ALL_BY_PIXELS,
    "sintel-final": ALL_BY_PIXELS,
    "kitti2012": ALL_BY_PAIRS,
    "kitti2015": SHARES_BY_PIXELS,
    "middlebury": ALL_BY_PAIRS,
    "chairs": ALL_BY_PAIRS,
    "spring": ALL_BY_PIXELS,
    "hd1k": SHARES_BY_PIXELS,
}


def describe(pooling: Pooling) -> str:
    """Say in a few words how the figures were pooled."""
    by_pixels = [METRICS[key].heading for key in METRICS if pooling[key] == PIXELS]
    if not by_pixels:
        return "means over pairs of each pair's mean"
    if len(by_pixels) == len(METRICS):
        return "means over all pixels of all pairs"
    return f"{', '.join(by_pixels)}: over all pixels of all pairs; the others: means over pairs of each pair's mean"


@dataclass
class PooledErrors:
    """Running totals over the pairs of one data set; memory does not grow with their number."""

    pairs: int = 0
    _sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRICS, 0.0))
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METRICS, 0))
    _sums_of_means: dict[str, float] = field(default_factory=lambda: dict.fromkeys(METRICS, 0.0))
    _counts_of_means: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METRICS, 0))

    def add(self, errors: PairErrors) -> None:
        """Take in one more pair."""
        self.pairs += 1
        for key in METRICS:
            self._sums[key] += errors.sums[key]
            self._counts[key] += errors.counts[key]
            mean = errors.value(key)
            if mean is not None:
                self._sums_of_means[key] += mean
                self._counts_of_means[key] += 1

    def over_pixels(self, key: str) -> float | None:
        """Mean of metric `key` over all pixels that it covers, None if it covers none."""
        return self._sums[key] / self._counts[key] if self._counts[key] else None

    def over_pairs(self, key: str) -> float | None:
        """Mean over the pairs in which metric `key` covers a pixel, None if there is no such pair."""
        return self._sums_of_means[key] / self._counts_of_means[key] if self._counts_of_means[key] else None

    def headline(self, key: str, pooling: Pooling) -> float | None:
        """Return the figure that the benchmark with this pooling would publish for metric `key`."""
        return self.over_pixels(key) if pooling[key] == PIXELS else self.over_pairs(key)
