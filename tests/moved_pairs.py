"""Errors of labelled pairs whose frame 2 is moved sideways, so that everything moves farther: what the match reaches.

python tests/moved_pairs.py PAIRS.csv --share 0.3 --share 0.45 [--initial-flow none]

Frame 2 loses columns at one side and frame 1 at the other, which adds that many pixels to every u, away from zero.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from flowcli.estimator import Estimator
from flowcli.evaluation.pair_list import read_pair_list
from flowcli.flow import Frame
from flowcli.io.image import read_image


def move(first: Frame, second: Frame, uv: np.ndarray, share: float) -> tuple[Frame, Frame, np.ndarray]:
    """Crop frames and truth so that the motion grows by a share of the shorter side; unknown truth is NaN."""
    height, width = uv.shape[:2]
    added = int(share * min(height, width))
    left = np.nanmedian(uv[..., 0]) <= 0
    kept, other = (slice(0, width - added), slice(added, width))[:: 1 if left else -1]
    moved = uv[:, kept] + np.array([-added if left else added, 0], np.float32)
    return np.ascontiguousarray(first[:, kept]), np.ascontiguousarray(second[:, other]), moved


def main() -> None:
    """Print the mean over pairs of each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--share", type=float, action="append", required=True)
    parser.add_argument("--initial-flow", default="none")
    options = parser.parse_args()
    with Estimator(initial_flow=options.initial_flow) as estimator:
        for share in options.share:
            errors: dict[str, list[float]] = {}
            for pair in read_pair_list(options.pairs):
                assert isinstance(pair.frame1, Path) and isinstance(pair.frame2, Path)
                truth = pair.read_truth()
                uv = truth.uv if truth.valid is None else np.where(truth.valid[..., None], truth.uv, np.nan)
                first, second, moved = move(read_image(pair.frame1), read_image(pair.frame2), uv, share)
                found = estimator.flow(first, second).uv
                errors.setdefault(pair.dataset, []).append(float(np.nanmean(np.linalg.norm(found - moved, axis=2))))
            means = "  ".join(f"{dataset} {np.mean(values):.3f}" for dataset, values in errors.items())
            print(f"moved by {share:g} of the shorter side: {means}", flush=True)


if __name__ == "__main__":
    main()
