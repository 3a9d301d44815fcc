"""Flicker, slider, colours, keys, sequences: what changes on the screen, and what the keyboard does."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.viewer import ViewedPair
from flowcli.viz import render
from flowcli.warping.backward import warp

BOTH = pytest.mark.parametrize("fragment", ["#besideFrame2=0&renderer=webgl", "#besideFrame2=0&renderer=2d"])


def set_range(shown, name: str, value: float) -> None:
    shown.page.locator(f"#{name}").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def pixels(shown, field: FlowField) -> np.ndarray:
    """The middle of every pixel of the first panel on the screen, uint8 `(H, W, 3)`."""
    screen = shown.screen()
    left, top, zoom = json.loads(shown.state("panels"))[0]
    height, width = field.size
    y, x = np.mgrid[:height, :width]
    return screen[(top + (y + 0.5) * zoom).astype(int), (left + (x + 0.5) * zoom).astype(int)]


def make_unknown_pair(make_pair):
    pair = make_pair()
    uv = np.array(pair.flows[0].uv)
    uv[3:5, 7:11] = np.nan
    return make_pair(flows=(FlowField.with_unknown(uv),))


@BOTH
@pytest.mark.parametrize("style", ["wheel", "hsv", "magnitude"])
def test_colours_are_those_of_the_project(show, make_page, make_pair, fragment, style):
    pair = make_unknown_pair(make_pair)
    shown = show(make_page(pair), f"{fragment}&style={style}&scale=6.5")
    found = pixels(shown, pair.flows[0]).astype(int)
    expected = render(pair.flows[0], style, 6.5).astype(int)
    near = np.abs(found - expected).max(axis=-1) <= 2
    # Lengths within a step of the scale may fall on either side of the edge, where the wheel darkens.
    assert near.mean() > 0.995


@BOTH
def test_the_scale_slider_changes_pixels_at_once(show, make_page, make_pair, fragment):
    pair = make_pair()
    shown = show(make_page(pair), fragment)
    before = shown.screen()
    set_range(shown, "scale", 0.9)
    assert "px" in shown.page.locator("#scale-value").inner_text()
    after = shown.screen()
    assert (before != after).mean() > 0.2
    scale = float(shown.page.locator("#scale-value").inner_text().removesuffix(" px"))
    expected = render(pair.flows[0], "wheel", scale).astype(int)
    # The text has three digits.
    assert np.abs(pixels(shown, pair.flows[0]).astype(int) - expected).max() <= 4


@BOTH
def test_space_flickers_between_frame_1_and_warped_frame_2(show, make_page, make_pair, fragment):
    pair = make_pair()
    shown = show(make_page(pair), fragment)
    shown.page.locator("#stage").press("Space")
    np.testing.assert_array_equal(pixels(shown, pair.flows[0]), pair.frame1)
    shown.page.locator("#stage").press("Space")
    found = pixels(shown, pair.flows[0]).astype(int)
    # OpenCV interpolates in steps of 1/32 px.
    assert np.abs(found - warp(pair.frame2, pair.flows[0]).astype(int)).max() <= 12
    shown.page.locator("#stage").press("Space")
    np.testing.assert_array_equal(pixels(shown, pair.flows[0]), pair.frame1)


@BOTH
def test_the_split_slider_moves_the_edge(show, make_page, make_pair, fragment):
    pair = make_pair()
    shown = show(make_page(pair), fragment)
    set_range(shown, "split", 0.5)
    set_range(shown, "split", 0.25)
    found = pixels(shown, pair.flows[0])
    np.testing.assert_array_equal(found[:, :14], pair.frame1[:, :14])
    assert (found[:, 16:] != pair.frame1[:, 16:]).mean() > 0.5


def test_difference_occlusion_and_confidence(show, make_page, make_pair):
    height, width = 40, 60
    still = FlowField(np.zeros((height, width, 2), np.float32))
    pair = make_pair(flows=(still,))
    occluded = np.zeros((height, width), bool)
    occluded[10:20] = True
    confidence = np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width)
    pair = make_pair(flows=(still,), occluded=occluded, confidence=confidence)
    shown = show(make_page(pair), "#besideFrame2=0&view=difference&gain=1")
    expected = np.abs(pair.frame1.astype(int) - pair.frame2)
    assert np.abs(pixels(shown, still).astype(int) - expected).max() <= 1
    shown.page.locator("#view").select_option("flow")
    assert (pixels(shown, still) == 255).all()
    shown.page.locator("#occlusion").check()
    found = pixels(shown, still)
    assert (found[10:20] != 255).any(axis=-1).all()
    assert (found[:10] == 255).all()
    shown.page.locator("#occlusion").uncheck()
    shown.page.locator("#confidence").check()
    grey = pixels(shown, still)[..., 0].astype(float)
    assert np.abs(grey - 255 * (0.12 + 0.88 * np.rint(confidence * 255) / 255)).max() <= 1


def test_the_legend_lights_up_the_pixels_of_its_colour(show, make_page):
    uv = np.zeros((20, 40, 2), np.float32)
    uv[:, :20], uv[:, 20:] = (4, 0), (-4, 0)
    field = FlowField(uv)
    shown = show(make_page(ViewedPair("halves", (field,))), "#scale=8")
    before = pixels(shown, field)
    box = shown.page.locator("#legend").bounding_box()
    shown.page.locator("#legend").scroll_into_view_if_needed()
    box = shown.page.locator("#legend").bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5)
    found = pixels(shown, field)
    np.testing.assert_array_equal(found[:, :20], before[:, :20])
    assert found[:, 20:].max() < 100
    shown.page.mouse.move(2, 2)
    np.testing.assert_array_equal(pixels(shown, field), before)


def test_arrows_are_drawn_as_densely_as_chosen(show, make_page, make_pair):
    shown = show(make_page(make_pair()))
    marks = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        .data.filter((level, place) => place % 4 === 3 && level > 0).length"""
    counts = []
    for density in (0, 8, 24):
        set_range(shown, "arrows", density)
        shown.wait()
        counts.append(shown.page.locator("#marks").evaluate(marks))
    assert counts[0] == 0 < counts[1] < counts[2]


def test_zoom_to_single_pixels_pan_and_fit(show, make_page, make_pair):
    shown = show(make_page(make_pair()))
    fitted = shown.state("panels")
    shown.page.mouse.move(*shown.place(20, 10))
    for _ in range(12):
        shown.page.mouse.wheel(0, -400)
    shown.wait()
    zoom = json.loads(shown.state("panels"))[0][2]
    assert zoom == 128
    assert shown.readout()["pixel"] == "20, 10"  # the pixel under the pointer stays there
    before = json.loads(shown.state("panels"))[0]
    x, y = shown.place(20, 10)
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x - 60, y + 20, steps=3)
    shown.page.mouse.up()
    shown.wait()
    after = json.loads(shown.state("panels"))[0]
    assert [after[0] - before[0], after[1] - before[1]] == pytest.approx([-60, 20], abs=0.01)
    assert "pin" not in shown.page.url
    shown.page.locator("#stage").press("-")
    shown.wait()
    assert json.loads(shown.state("panels"))[0][2] == pytest.approx(128 / 1.5)
    shown.page.locator("#stage").press("f")
    shown.wait()
    assert shown.state("panels") == fitted


def test_a_sequence_by_keys_and_by_playing(show, make_page, make_pair):
    pairs = [make_pair(seed=seed, time=Fraction(seed, 5)) for seed in range(4)]
    shown = show(make_page(*pairs, fps=5.0))
    stage = shown.page.locator("#stage")
    stage.press("ArrowRight")
    shown.page.wait_for_selector("#stage[data-position='1']")
    u = pairs[1].flows[0].uv[4, 3, 0]
    assert np.float32(shown.hover(3, 4)["u"].removesuffix(" px")) == u
    assert "pair 1" in shown.page.locator("#pair-name").inner_text()
    assert shown.page.locator("#position-value").inner_text() == "2 / 4, 0.200 s"
    stage.press("End")
    shown.page.wait_for_selector("#stage[data-position='3']")
    stage.press("p")
    shown.page.wait_for_selector("#stage[data-position='0']")
    shown.page.wait_for_selector("#stage[data-position='2']")
    stage.press("p")
    assert shown.page.locator("#play").get_attribute("aria-pressed") == "false"


def test_help_lists_the_keys(show, make_page, make_pair):
    shown = show(make_page(make_pair()))
    shown.page.locator("#stage").press("?")
    keys = shown.page.locator("#help dt").all_inner_texts()
    assert {"space", "f", "+", "?"} <= set(keys)
    shown.page.keyboard.press("Escape")
    assert shown.page.locator("dialog[open]").count() == 0


def test_the_fragment_shares_a_view(show, make_page, make_pair):
    path = make_page(make_pair(seed=0), make_pair(seed=1))
    fragment = "#position=1&view=warped&style=hsv&scale=7.5&zoom=20&centre=30,20&pin=31,21"
    first = show(path, fragment)
    assert first.state("position") == "1"
    first.page.locator("#share").click()
    assert re.search("#.*position=1.*zoom=20", first.page.url)
    second = show(path, "#" + first.page.url.split("#")[1])
    np.testing.assert_array_equal(first.screen(), second.screen())
    assert second.readout()["pixel"] == "31, 21"
    nonsense = show(path, "#position=99&view=nothing&scale=-1&zoom=nan&pin=1000,1&box=5,5,1,1&centre=1&style=__proto__")
    assert nonsense.state("position") == "0"
