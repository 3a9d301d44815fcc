"""Pages in Debian's Chromium, driven by Playwright; every message and every request of a page is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from flowcli.flow import FlowField
from flowcli.viewer import About, Clip, ViewedPair, write_page

CHROMIUM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@dataclass
class Shown:
    """A page that is open."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait(self) -> None:
        """Until everything that was asked for is drawn."""
        self.page.evaluate(
            "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done))))"
        )

    def readout(self) -> dict[str, str]:
        self.wait()
        rows = "list => [...list.querySelectorAll('dd')].map((dd) => [dd.dataset.name, dd.textContent])"
        return dict(self.page.locator("#readout").evaluate(rows))

    def place(self, x: float, y: float, panel: int = 0) -> tuple[float, float]:
        """Where the middle of pixel (x, y) is on the screen, in a panel of the fitted view."""
        box = self.page.locator("#stage").bounding_box()
        assert box is not None
        panels = json.loads(self.state("panels") or "")
        left, top, zoom = panels[panel]
        return box["x"] + left + (x + 0.5) * zoom, box["y"] + top + (y + 0.5) * zoom

    def hover(self, x: float, y: float, panel: int = 0) -> dict[str, str]:
        """Point at a pixel; returns the read-out."""
        self.page.mouse.move(*self.place(x, y, panel))
        return self.readout()

    def state(self, name: str) -> str | None:
        return self.page.locator("#stage").get_attribute(f"data-{name}")

    def screen(self) -> np.ndarray:
        """The picture canvas as uint8 `(H, W, 3)`."""
        import cv2

        self.wait()
        png = self.page.locator("#picture").screenshot()
        return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def show(chromium, tmp_path):
    """show(path, fragment="", **context options) -> Shown; in the end no page may have complained or asked for more."""
    opened: list[Shown] = []
    contexts = []

    def open_page(path: Path, fragment: str = "", **options) -> Shown:
        context = chromium.new_context(**({"viewport": {"width": 800, "height": 480}} | options))
        contexts.append(context)
        page = context.new_page()
        shown = Shown(page, path.resolve().as_uri())
        page.on("pageerror", lambda error: shown.errors.append(str(error)))
        page.on("console", lambda message: shown.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: shown.requests.append(request.url.split("#")[0]))
        page.goto(shown.url + fragment)
        page.wait_for_selector("#stage[data-drawn]")
        shown.wait()
        opened.append(shown)
        return shown

    yield open_page
    for shown in opened:
        shown.wait()
        assert shown.errors == []
        assert shown.requests == [shown.url]
    for context in contexts:
        context.close()


@pytest.fixture
def make_page(tmp_path):
    """make_page(*pairs, title=..., ...) -> path of a page with these ViewedPairs."""

    def make(*pairs: ViewedPair, name: str = "page.html", limit: int = 64_000_000, **about) -> Path:
        clip = Clip(limit, len(pairs))
        for pair in pairs:
            clip.add(pair)
        labels = about.pop("labels", ["estimate", "truth"][: len(pairs[0].flows)])
        write_page(tmp_path / name, clip, About(about.pop("title", "a title"), labels, **about))
        return tmp_path / name

    return make


@pytest.fixture
def make_pair():
    """make_pair(height, width, seed) -> ViewedPair: noise in both frames, flow of all lengths and directions."""

    def make(height: int = 40, width: int = 60, seed: int = 0, **values) -> ViewedPair:
        random = np.random.default_rng(seed)
        frames = random.integers(0, 256, (2, height, width, 3)).astype(np.uint8)
        flow = FlowField(random.normal(0, 4, (height, width, 2)).astype(np.float32))
        return ViewedPair(
            **({"name": f"pair {seed}", "flows": (flow,), "frame1": frames[0], "frame2": frames[1]} | values)
        )

    return make
