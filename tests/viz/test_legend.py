import numpy as np
import pytest

from flowcli.errors import UsageError
from flowcli.flow import FlowField
from flowcli.viz import STYLES, render
from flowcli.viz.legend import SMALLEST_SIDE, draw_legend


def find_legend(height: int, width: int, scale: float = 12.0, kind: str = "middlebury") -> tuple[slice, slice]:
    """Return the rows and columns that a legend covers on a grey picture."""
    picture = np.full((height, width, 3), 99, np.uint8)
    changed = (draw_legend(picture, scale, kind) != picture).any(axis=-1)
    rows, columns = (np.nonzero(changed.any(axis=axis))[0] for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@pytest.mark.parametrize("size", [(128, 128), (375, 1242), (436, 1024), (1080, 1920)])
@pytest.mark.parametrize(("kind", "scale"), [("middlebury", 1.0), ("hsv", 0.023), ("magnitude", 120.0)])
def test_it_lies_in_the_lower_right_corner_and_covers_little(size, kind, scale):
    rows, columns = find_legend(*size, scale, kind)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    assert rows.start > size[0] / 2
    assert columns.start > size[1] * 0.3  # how wide letters are depends on OpenCV's version
    assert rows.stop < size[0]
    assert columns.stop < size[1]
    assert height * width < 0.25 * size[0] * size[1]
    assert height >= 24


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST_SIDE - 1, 900), (900, SMALLEST_SIDE - 1)])
@pytest.mark.parametrize("place", ["auto", "outside"])
def test_small_pictures_have_it_beside_them(size, place):
    picture = np.full((*size, 3), 99, np.uint8)
    wide = draw_legend(picture, 5, "middlebury", place)
    assert wide.shape[0] >= size[0] and wide.shape[1] > size[1] + 36
    assert (wide[: size[0], : size[1]] == 99).all()
    beside = draw_legend(np.full((*size, 3), 7, np.uint8), 5, "middlebury", place)
    np.testing.assert_array_equal(wide[:, size[1] :], beside[:, size[1] :])


@pytest.mark.parametrize("place", ["bottom-right", "bottom-left", "top-right", "top-left"])
def test_it_can_be_placed(place):
    picture = np.full((200, 300, 3), 99, np.uint8)
    changed = (draw_legend(picture, 5, "hsv", place) != 99).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert (rows.max() < 100) == place.startswith("top")
    assert (columns.max() < 150) == place.endswith("left")
    with pytest.raises(UsageError, match="expected a place of auto, bottom-right"):
        draw_legend(picture, 5, "hsv", "middle")


def test_a_picture_that_the_legend_would_not_fit_into_has_it_beside():
    assert draw_legend(np.full((30, 300, 3), 99, np.uint8), 5, "hsv", "top-left").shape[1] > 300


def test_the_disc_shows_the_colours_of_the_style():
    rows, columns = find_legend(400, 600)
    picture = draw_legend(np.full((400, 600, 3), 99, np.uint8), 12, "middlebury")
    panel = picture[rows, columns].astype(int)
    radius = 40  # a fifth of the shorter side is its diameter, five pixels below the panel's upper edge
    y, x = 5 + radius, panel.shape[1] // 2
    assert (panel[y, x] > 240).all()  # at rest
    right, below = panel[y, x + radius - 4], panel[y + radius - 4, x]
    assert right[0] > 240
    assert right[1:].max() < 60
    assert below[0] > 240
    assert below[1] > 180
    assert below[2] < 60


def test_the_number_changes_the_picture():
    picture = np.full((200, 300, 3), 99, np.uint8)
    assert (draw_legend(picture, 12, "hsv") != draw_legend(picture, 13, "hsv")).any()
    assert (picture == 99).all()


@pytest.mark.parametrize("style", [name for name, row in STYLES.items() if row.legend is None])
def test_styles_without_a_scale_have_no_legend(style):
    field, frame = FlowField(np.ones((200, 200, 2), np.float32)), np.full((200, 200, 3), 9, np.uint8)
    with_legend = render(field, style, legend=True, frame=frame, frame2=frame)
    np.testing.assert_array_equal(with_legend, render(field, style, frame=frame, frame2=frame))
