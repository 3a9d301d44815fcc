"""The error measures of the optical flow benchmarks, as sums and counts that add up over pairs.

Endpoint error (EPE): distance in pixels between estimated and true flow vector (Otte & Nagel, ECCV 1994).
Angular error (AE): angle in degrees between (u, v, 1) and (u', v', 1) (Barron, Fleet & Beauchemin, IJCV 1994).
n px: share of pixels with EPE > n. Fl: share with EPE > 3 px and > 5 % of the true length (KITTI 2015 development kit).
WAUC: weighted area under the curve of the share of pixels with EPE <= d over d = 0.05, 0.1 .. 5 px, the weights falling
linearly from 1 to 0.01; 100 % is perfect (Richter et al., "Playing for Benchmarks", ICCV 2017; the evaluation code of
Spring has the same).
Speed: EPE where the true flow is shorter than 10 px, from 10 to below 40 px, 40 px and more (Sintel, Spring).
Matched, unmatched: EPE where the point is visible in the second frame, and where it is hidden or out of the picture.
Outside: EPE where the true flow leads out of the picture, beyond the outermost pixels' centres. Covered: unmatched, but
not outside.

Pixels whose truth is unknown take part in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import FlowField

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One column of a report: its key in JSON and CSV, its heading in a table, its unit."""

    key: str
    heading: str
    unit: str


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("epe", "EPE", "px"),
        Metric("px1", ">1px", "%"),
        Metric("px3", ">3px", "%"),
        Metric("px5", ">5px", "%"),
        Metric("fl", "Fl", "%"),
        Metric("wauc", "WAUC", "%"),
        Metric("angular", "AE", "degrees"),
        Metric("epe_0_10", "s0-10", "px"),
        Metric("epe_10_40", "s10-40", "px"),
        Metric("epe_40", "s40+", "px"),
        Metric("epe_matched", "matched", "px"),
        Metric("epe_unmatched", "unmatched", "px"),
        Metric("epe_covered", "covered", "px"),
        Metric("epe_outside", "outside", "px"),
    )
}


# The thresholds of WAUC in pixels, ascending.
_WAUC_THRESHOLDS = np.arange(1, 101) / 20


@dataclass(frozen=True)
class PairErrors:
    """Errors of one pair.

    Attributes:
        sums: for each metric the error summed over the pixels that it covers (shares: 100 per outlier).
        counts: for each metric the number of those pixels; 0 where the pair says nothing about it.
    """

    sums: dict[str, float]
    counts: dict[str, int]

    def value(self, key: str) -> float | None:
        """Mean over the pixels that metric `key` covers, None if it covers none."""
        return self.sums[key] / self.counts[key] if self.counts[key] else None


def measure(
    estimate: FlowField, truth: FlowField, matched: NDArray[np.bool_] | None = None, truth_factor: int = 1
) -> PairErrors:
    """Compare an estimate with the truth.

    Args:
        estimate: the flow to judge, `(H, W)`; known wherever the truth is.
        truth: `(H * truth_factor, W * truth_factor)`, in pixels of the estimate's grid.
        matched: bool `(H, W)`, True where the point is visible in the second frame; None where nobody knows.
        truth_factor: truth samples per pixel and axis. With more than one sample the nearest counts, a pixel is known
            if all of its samples are, its speed is their mean and the length for Fl their maximum, as in the evaluation
            of the Spring benchmark (Mehl et al., CVPR 2023).

    Raises:
        InputError: if sizes do not fit, if no pixel of the truth is known, or if the estimate leaves one of them out.
    """
    candidates, known = _candidates(estimate, truth, truth_factor)
    if matched is not None and matched.shape != estimate.size:
        raise InputError(f"expected the matched mask as {estimate.size}, got {matched.shape}")
    u, v = _components(estimate.uv, known)
    missing = int(np.count_nonzero(~(np.isfinite(u) & np.isfinite(v))))
    if missing:
        raise InputError(f"expected an estimate at every pixel with known truth, got none at {missing} of {u.size}")
    error, angle = np.full(u.size, np.inf), np.zeros(u.size)
    longest, mean_length = np.zeros(u.size), np.zeros(u.size)
    for candidate in candidates:
        true_u, true_v = _components(candidate, known)
        distance, length = np.sqrt((true_u - u) ** 2 + (true_v - v) ** 2), np.sqrt(true_u**2 + true_v**2)
        nearer = distance < error
        angle[nearer] = _angles(u[nearer], v[nearer], true_u[nearer], true_v[nearer])
        error = np.minimum(error, distance)
        longest = np.maximum(longest, length)
        mean_length += length / len(candidates)

    outliers = {
        "px1": error > 1,
        "px3": error > 3,
        "px5": error > 5,
        "fl": (error > 3) & (error > 0.05 * longest),
    }
    fast, slow = mean_length >= 40, mean_length < 10
    parts = {"epe_0_10": slow, "epe_10_40": ~(fast | slow), "epe_40": fast}
    outside = _leaves(candidates[0], known)
    parts["epe_outside"] = outside
    if matched is not None:
        seen = matched[known]
        parts |= {"epe_matched": seen, "epe_unmatched": ~seen, "epe_covered": ~(seen | outside)}
    sums = {"epe": error.sum(), "angular": angle.sum(), "wauc": _weighted_areas(error).sum()}
    sums |= {key: 100.0 * np.count_nonzero(where) for key, where in outliers.items()}
    sums |= {key: error.sum(where=where) for key, where in parts.items()}
    counts = dict.fromkeys(("epe", "angular", "wauc", *outliers), u.size)
    counts |= {key: int(np.count_nonzero(where)) for key, where in parts.items()}
    return PairErrors({key: float(sums.get(key, 0)) for key in METRICS}, {key: counts.get(key, 0) for key in METRICS})


def error_map(estimate: FlowField, truth: FlowField, truth_factor: int = 1) -> NDArray[np.float32]:
    """Endpoint error of every pixel, float32 `(H, W)` in pixels, NaN where it is unknown; arguments as in `measure`."""
    candidates, known = _candidates(estimate, truth, truth_factor)
    distances = [np.linalg.norm(candidate - estimate.uv, axis=2) for candidate in candidates]
    return np.where(known, np.minimum.reduce(distances), np.float32(np.nan))


def _weighted_areas(error: Values) -> Values:
    """Return what each pixel adds to WAUC in percent, `(N,)`: 100 for an error of at most 0.05 px, 0 beyond 5 px."""
    # A pixel counts at each threshold that it does not exceed, n of them; their weights are 0.01 to 0.01 n.
    n = len(_WAUC_THRESHOLDS) - np.searchsorted(_WAUC_THRESHOLDS, error)
    return 100.0 * n * (n + 1) / (len(_WAUC_THRESHOLDS) * (len(_WAUC_THRESHOLDS) + 1))


def _candidates(
    estimate: FlowField, truth: FlowField, factor: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_]]:
    """Split the truth into its samples per pixel, each `(H, W, 2)`, and say where all of them are known."""
    height, width = estimate.size
    if truth.size != (height * factor, width * factor):
        found = f"{truth.size[1]}x{truth.size[0]}"
        raise InputError(f"expected a truth of {width * factor}x{height * factor} pixels, got {found}")
    offsets = [(row, column) for row in range(factor) for column in range(factor)]
    known = np.logical_and.reduce([truth.known[row::factor, column::factor] for row, column in offsets])
    if not known.any():
        raise InputError("expected a truth with at least one known pixel, got none")
    return [truth.uv[row::factor, column::factor] for row, column in offsets], known


def _components(uv: NDArray[np.float32], known: NDArray[np.bool_]) -> tuple[Values, Values]:
    """U and v of the known pixels, each float64 `(N,)`."""
    return uv[..., 0][known].astype(np.float64), uv[..., 1][known].astype(np.float64)


def _leaves(truth: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which of the known pixels leave the frame, bool `(N,)`."""
    y, x = np.nonzero(known)
    u, v = _components(truth, known)
    return (x + u < 0) | (y + v < 0) | (x + u > known.shape[1] - 1) | (y + v > known.shape[0] - 1)


def _angles(u: Values, v: Values, true_u: Values, true_v: Values) -> Values:
    """Angle in degrees between (u, v, 1) and (u', v', 1), by atan2: arccos loses small angles to rounding."""
    across = np.sqrt((v - true_v) ** 2 + (true_u - u) ** 2 + (u * true_v - v * true_u) ** 2)
    return np.degrees(np.arctan2(across, u * true_u + v * true_v + 1))
