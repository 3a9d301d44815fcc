"""The chart of a suite: where its points lie, and what is said without what draws it."""

from __future__ import annotations

import numpy as np
import pytest

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.suite import chart
from flowcli.suite.chart import draw_errors


def report(dis: tuple[float, float], variational: tuple[float, float]) -> dict[str, object]:
    """Seconds and error of two methods, which have colours of their own."""
    methods = {"dis": dis, "variational": variational}
    return {
        "machine": {"processor": "abacus", "cores": 1, "flowcli": "0"},
        "threads": None,
        "baseline": "variational",
        "contestants": [{"name": name, "model": name, "preset": None} for name in methods],
        "errors": {
            "source": "rendered",
            "pairs": 2,
            "rows": [
                {"method": name, "epe": error, "seconds": {"min": seconds / 1.1, "mean": seconds, "max": seconds * 1.1}}
                for name, (seconds, error) in methods.items()
            ],
        },
    }


def place(picture: Frame, colour: tuple[int, int, int]) -> tuple[float, float]:
    """Mean row and column of a colour left of the legend."""
    rows, columns = np.nonzero((picture[:, :780] == colour).all(-1))
    assert len(rows) > 20
    return float(rows.mean()), float(columns.mean())


def test_errors_go_up_and_seconds_to_the_right() -> None:
    orange, green = (255, 127, 14), (44, 160, 44)
    picture = draw_errors(report(dis=(0.02, 3.0), variational=(0.05, 9.0)))
    assert picture.shape == (640, 960, 3) and picture.dtype == np.uint8
    (dis_row, dis_column), (row, column) = place(picture, orange), place(picture, green)
    assert row < dis_row - 400 and column > dis_column + 400
    (dis_row, dis_column), (row, column) = (
        place(draw_errors(report(dis=(0.05, 3.0), variational=(0.02, 9.0))), colour) for colour in (orange, green)
    )
    assert row < dis_row - 400 and column < dis_column - 400


def test_without_what_draws_it_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the Python module matplotlib; pip install 'flowcli\[chart\]'"):
        draw_errors(report(dis=(1, 1), variational=(2, 2)))
