"""Two flows: the errors, where they are, and the linked pointer; names from strangers; odd sizes; phones."""

import json

import numpy as np
import pytest

from flowcli.evaluation.comparison import color_errors
from flowcli.evaluation.difference import compare_flows
from flowcli.flow import FlowField
from flowcli.viewer import ViewedPair

HOSTILE = "</script><script>document.title = 'run'</script><img src=x onerror=alert(1)>" + "x" * 10_000


def make_two(height: int = 48, width: int = 72) -> tuple[FlowField, FlowField]:
    random = np.random.default_rng(3)
    truth = random.normal(0, 3, (height, width, 2)).astype(np.float32)
    flow = truth + random.normal(0, 0.5, truth.shape).astype(np.float32)
    flow[30:34, 50:54] += 40
    truth[:5, :5] = np.nan
    return FlowField(flow), FlowField.with_unknown(truth)


def rows_of(shown, name: str) -> dict[str, str]:
    shown.wait()
    rows = "list => [...list.querySelectorAll('dd')].map((dd) => [dd.dataset.name, dd.textContent])"
    return dict(shown.page.locator(f"#{name}").evaluate(rows))


@pytest.mark.parametrize("given", [True, False], ids=["errors from Python", "errors from the page"])
def test_the_errors_are_those_of_diff(show, make_page, given):
    flow, truth = make_two()
    expected = compare_flows(flow, truth)
    errors = {key: expected.errors.value(key) for key in ("epe", "fl", "px1")} if given else {}
    shown = show(make_page(ViewedPair("two", (flow, truth), errors=errors)))
    shown.page.wait_for_selector("#comparison:not([hidden])")
    rows = rows_of(shown, "errors")
    assert float(rows["EPE"].removesuffix(" px")) == pytest.approx(expected.errors.value("epe"), rel=1e-5)
    assert rows["pixels"] == f"{48 * 72 - 25} of {48 * 72} known in both"
    if given:
        assert float(rows["Fl"].removesuffix(" %")) == pytest.approx(expected.errors.value("fl"), rel=1e-5)


def test_pointer_and_zoom_are_linked_and_the_error_is_read_anywhere(show, make_page):
    flow, truth = make_two()
    error = compare_flows(flow, truth).error
    shown = show(make_page(ViewedPair("two", (flow, truth))))
    for panel, (x, y) in enumerate([(9, 20), (40, 7), (71, 47)]):
        rows = shown.hover(x, y, panel)
        assert rows["pixel"] == f"{x}, {y}"
        assert float(rows["EPE"].removesuffix(" px")) == pytest.approx(float(error[y, x]), rel=1e-5)
        assert np.float32(rows["estimate: u"].removesuffix(" px")) == flow.uv[y, x, 0]
        assert np.float32(rows["truth: v"].removesuffix(" px")) == truth.uv[y, x, 1]
    assert shown.hover(2, 2)["EPE"] == "unknown"
    shown.page.mouse.wheel(0, -500)
    shown.wait()
    zooms = {zoom for _, _, zoom in json.loads(shown.state("panels"))}
    assert len(zooms) == 1


@pytest.mark.parametrize("renderer", ["&renderer=webgl", "&renderer=2d"])
def test_the_error_map_has_the_colours_of_diff(show, make_page, renderer):
    flow, truth = make_two()
    shown = show(make_page(ViewedPair("two", (flow, truth))), f"#view=error{renderer}")
    left, top, zoom = json.loads(shown.state("panels"))[0]
    y, x = np.mgrid[:48, :72]
    found = shown.screen()[(top + (y + 0.5) * zoom).astype(int), (left + (x + 0.5) * zoom).astype(int)]
    assert np.abs(found.astype(int) - color_errors(compare_flows(flow, truth).error)).max() <= 2


def test_the_worst_place_is_listed_first_and_jumped_to(show, make_page):
    flow, truth = make_two()
    error = np.nan_to_num(compare_flows(flow, truth).error)
    shown = show(make_page(ViewedPair("two", (flow, truth))))
    shown.page.locator("#worst-places button").first.click()
    x, y = (int(part) for part in shown.readout()["pixel"].split(", "))
    assert error[y, x] == error.max()
    assert "zoom" not in shown.url


def test_the_worst_pairs_are_listed(show, make_page):
    flow, truth = make_two()
    pairs = [ViewedPair(f"pair {k}", (flow, truth), errors={"epe": value}) for k, value in enumerate([1.0, 9.0, 4.0])]
    shown = show(make_page(*pairs))
    texts = shown.page.locator("#worst-pairs button").all_text_contents()
    assert texts == ["9.000 px: pair 1", "4.000 px: pair 2", "1.000 px: pair 0"]
    shown.page.locator("#worst-pairs button").first.click()
    shown.page.wait_for_selector("#stage[data-position='1']")


def test_hostile_names_stay_text(show, make_page):
    flow, truth = make_two()
    path = make_page(
        ViewedPair(HOSTILE, (flow, truth), errors={"epe": 1.0}),
        ViewedPair(HOSTILE, (flow, truth), errors={"epe": 1.0}),
        title=HOSTILE,
        labels=[HOSTILE, HOSTILE],
        rows={HOSTILE: HOSTILE},
    )
    shown = show(path)
    shown.hover(10, 10)
    assert shown.page.title().startswith("</script><script>document.title")
    assert shown.page.locator("#title").inner_text().startswith("</script><script>")
    assert shown.page.locator("#pair-name").inner_text().startswith("</script><script>")
    assert shown.page.locator("img").count() == 0
    blocks = "application/json", "application/octet-stream", "module"
    kinds = shown.page.locator("script").evaluate_all("list => list.map((one) => one.type)")
    assert set(kinds) == set(blocks)
    shown.page.locator("#open-about").click()
    assert HOSTILE[:200] in shown.page.locator("#facts").inner_text()


def test_the_policy_stops_what_is_put_in_later(show, make_page, make_pair):
    shown = show(make_page(make_pair()))
    shown.page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.broken = 1';"
        " const image = new Image(); image.src = 'https://example.invalid/x.png';"
        " document.body.append(script, image); }"
    )
    assert shown.page.evaluate("window.broken") is None
    refused = [text for text in shown.errors if "Content Security Policy" in text]
    assert len(refused) == len(shown.errors) >= 2
    shown.errors.clear()
    # Chromium tells of a request before the policy stops it.
    shown.requests.remove("https://example.invalid/x.png")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (200, 1)])
def test_odd_sizes(show, make_page, size):
    uv = np.full((*size, 2), 0.5, np.float32)
    frame = np.full((*size, 3), 90, np.uint8)
    shown = show(make_page(ViewedPair("odd", (FlowField(uv),), frame, frame)))
    rows = shown.hover(0, 0)
    assert (rows["u"], rows["frame 1 there"]) == ("0.5 px", "90 90 90")
    shown.page.locator("#stage").press("Space")
    shown.wait()


def test_a_page_without_frames_offers_nothing_that_needs_them(show, make_page):
    flow, _ = make_two()
    shown = show(make_page(ViewedPair("flow alone", (flow,))))
    assert shown.page.locator("#flicker").is_disabled()
    assert shown.page.locator("#split").is_disabled()
    shown.page.locator("#stage").press("Space")
    assert shown.page.locator("#view").input_value() == "flow"


def test_a_phone_reads_by_tapping_and_zooms_by_pinching(show, make_page, make_pair):
    pair = make_pair()
    shown = show(make_page(pair), viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    shown.page.touchscreen.tap(*shown.place(8, 5))
    assert np.float32(shown.readout()["u"].removesuffix(" px")) == pair.flows[0].uv[5, 8, 0]
    before = json.loads(shown.state("panels"))[0][2]
    x, y = shown.place(30, 20)
    session = shown.page.context.new_cdp_session(shown.page)
    for kind, reach in (("touchStart", 20), ("touchMove", 30), ("touchMove", 50), ("touchEnd", 0)):
        points = [] if kind == "touchEnd" else [{"x": x - reach, "y": y, "id": 0}, {"x": x + reach, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    shown.wait()
    assert json.loads(shown.state("panels"))[0][2] == pytest.approx(before * 2.5, rel=0.1)


def test_light_and_dark(show, make_page, make_pair):
    path = make_page(make_pair())
    level = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    light, dark = (show(path, color_scheme=scheme).page.evaluate(level) for scheme in ("light", "dark"))
    assert light > 200 > 60 > dark


def test_every_control_has_a_name(show, make_page, make_pair):
    shown = show(make_page(make_pair(seed=0), make_pair(seed=1)))
    unnamed = """() => {
      const named = (one) => one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label');
      const all = document.querySelectorAll('input, select, button, canvas[tabindex], section');
      return [...all].filter((one) => !named(one)).map((one) => one.id);
    }"""
    assert shown.page.evaluate(unnamed) == []
