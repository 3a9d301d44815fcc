"""A chart of labelled points: where they lie, and that labels cover nothing."""

import math

import numpy as np
import pytest

from flowcli.viz.chart import Point, Shape, draw_chart

COLOURS = [(200, 40, 40), (40, 160, 40), (40, 40, 200), (160, 40, 160)]
SHAPES: list[Shape] = ["disc", "square", "triangle", "diamond"]


def draw(points, **options):
    return draw_chart(points, "title", "seconds", "error, px", "note", **options)


def centre(picture, colour):
    """Mean place of the pixels that have a colour."""
    rows, columns = np.nonzero((picture == colour).all(-1))
    return rows.mean(), columns.mean()


def test_points_lie_where_their_logarithms_are():
    values = [(0.02, 12.0), (0.2, 6.0), (2.0, 3.0)]
    points = [Point("", x, y, x, x, colour, "square") for (x, y), colour in zip(values, COLOURS, strict=False)]
    picture = draw(points)
    assert picture.shape == (640, 960, 3)
    assert picture.dtype == np.uint8
    places = [centre(picture, colour) for colour in COLOURS[:3]]
    # A factor of ten to the right is as far each time, and so is a half down.
    (y0, x0), (y1, x1), (y2, x2) = places
    assert x1 - x0 == pytest.approx(x2 - x1, abs=1)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=1)
    assert x1 - x0 > 250
    assert y1 - y0 > 150


def test_labels_cover_no_mark_and_no_other_label():
    rng = np.random.default_rng(3)
    places = [(0.5 * 10 ** rng.uniform(-0.15, 0.15), 5 * 10 ** rng.uniform(-0.1, 0.1)) for _ in range(8)]
    far = (0.02, 20.0)

    def points(label):
        return [
            Point(label and f"method {k}", x, y, 0.9 * x, 1.1 * x, COLOURS[k % 4], SHAPES[k % 4])
            for k, (x, y) in enumerate([far, *places])
        ]

    bare, labelled = draw(points("")), draw(points("x"))
    for colour in COLOURS:
        assert ((labelled == colour).all(-1) == (bare == colour).all(-1)).all()
    inks = [tuple(round(0.75 * level) for level in colour) for colour in COLOURS]
    written = (labelled != bare).any(-1)
    assert written.sum() > 9 * 200
    # Each is all there: as many pixels of its ink as by itself, where nothing is in the way.
    for k in range(4):
        alone = sum(int((draw([p]) == inks[k]).all(-1).sum()) for j, p in enumerate(points("x")) if j % 4 == k)
        assert int((labelled == inks[k]).all(-1).sum()) == pytest.approx(alone, rel=0.1)


@pytest.mark.parametrize("values", [[(1.0, 1.0)], [(1e-3, 1e-2), (1e4, 1e3)], [(3.1, 2.0), (3.2, 2.01)]])
def test_any_range_has_an_axis(values):
    points = [Point("name", x, y, x, x, colour) for (x, y), colour in zip(values, COLOURS, strict=False)]
    picture = draw(points, size=(300, 400))
    for colour in COLOURS[: len(points)]:
        y, x = centre(picture, colour)
        assert 84 <= x <= 400 - 28
        assert 56 <= y <= 300 - 92
    # There are lines of a grid.
    assert ((picture == (225, 225, 225)).all(-1)).sum() > 400


def test_a_line_tells_the_range_and_joins_what_belongs_together():
    points = [
        Point("", 0.1, 5, 0.05, 0.4, COLOURS[0], joined="m"),
        Point("", 1.0, 4, 1.0, 1.0, COLOURS[0], joined="m"),
        Point("", 1.0, 8, 1.0, 1.0, COLOURS[2]),
    ]
    pale = tuple(round(0.45 * level + 0.55 * 255) for level in COLOURS[0])
    rows, columns = np.nonzero((draw(points) == pale).all(-1))
    width = (960 - 84 - 28) / (1 + math.log10(20) - 1)
    assert np.ptp(columns) > 0.6 * width
    assert np.ptp(rows) > 20
