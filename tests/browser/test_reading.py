"""What the page says of the pixel under the pointer, and of a box."""

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.viewer import ViewedPair


def number(text: str) -> np.float32:
    return np.float32(text.removesuffix(" px"))


@pytest.mark.parametrize("fragment", ["#renderer=webgl", "#renderer=2d"])
def test_hovering_shows_the_values_of_the_file(show, make_page, make_pair, fragment):
    pair = make_pair()
    shown = show(make_page(pair), fragment)
    for x, y in [(0, 0), (59, 39), (17, 23)]:
        rows = shown.hover(x, y)
        u, v = pair.flows[0].uv[y, x]
        assert rows["pixel"] == f"{x}, {y}"
        assert (number(rows["u"]), number(rows["v"])) == (u, v)
        assert float(number(rows["length"])) == pytest.approx(np.hypot(u, v), rel=1e-5)
        assert float(rows["angle"].removesuffix("°")) == pytest.approx(np.degrees(np.arctan2(v, u)) % 360, abs=0.006)
        match = [float(part) for part in rows["matched point"].split(", ")]
        assert match == pytest.approx([x + u, y + v], abs=0.006)
        assert rows["frame 1 there"] == " ".join(map(str, pair.frame1[y, x]))
        column, row = np.floor([x + u + 0.5, y + v + 0.5]).astype(int)
        inside = 0 <= column < 60 and 0 <= row < 40
        expected = " ".join(map(str, pair.frame2[row, column])) if inside else "outside"
        assert rows["frame 2 at match"] == expected


@pytest.mark.parametrize(
    "values",
    [
        np.float32([[[1 / 64, -511.5], [511, 3]]]),
        np.float32([[[0.1, -1e-7], [65000.5, 1e6]]]),
        np.float32(np.float16([[[0.1, 1e-5], [3.14159, -60000]]])),
        np.float32([[[np.nan, np.nan], [-2.5, 0]]]),
    ],
    ids=["fixed16", "float32", "float16", "unknown"],
)
def test_every_kind_of_number_is_exact(show, make_page, values):
    field = FlowField.with_unknown(values)
    shown = show(make_page(ViewedPair("numbers", (field,))))
    for x in (0, 1):
        rows = shown.hover(x, 0)
        if field.known[0, x]:
            assert [number(rows["u"]), number(rows["v"])] == field.uv[0, x].tolist()
        else:
            assert rows["flow"] == "unknown"


def test_a_click_pins_and_escape_releases(show, make_page, make_pair):
    pair = make_pair()
    shown = show(make_page(pair))
    shown.page.mouse.click(*shown.place(5, 6))
    shown.page.mouse.move(2, 2)
    assert shown.readout()["pixel"] == "5, 6"
    shown.page.locator("#stage").press("ArrowRight")
    assert shown.readout()["pixel"] == "6, 6"
    shown.page.locator("#stage").press("Escape")
    assert "pixel" not in shown.readout()


def test_shift_drag_measures_a_box(show, make_page, make_pair):
    pair = make_pair()
    shown = show(make_page(pair))
    shown.page.keyboard.down("Shift")
    shown.page.mouse.move(*shown.place(30, 20))
    shown.page.mouse.down()
    shown.page.mouse.move(*shown.place(12, 9), steps=4)
    shown.page.mouse.up()
    shown.page.keyboard.up("Shift")
    rows = shown.readout()
    assert rows["box"] == "19 \u00d7 12 at 12, 9"
    u, v = (float(part) for part in rows["mean flow"].removesuffix(" px").split(", "))
    assert [u, v] == pytest.approx(pair.flows[0].uv[9:21, 12:31].mean(axis=(0, 1), dtype=np.float64), abs=6e-5)
