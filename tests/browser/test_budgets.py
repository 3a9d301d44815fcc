"""A Full HD pair: how large, how soon on the screen, how fast it changes its colours."""

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.training.scene import make_scene
from flowcli.viewer import ViewedPair

# What the page may take on an idle machine with two cores and no graphics card is in the issue: 8 MB, 1 s, 1/60 s. The
# tests allow for a machine with other work.
SLACK = 8


@pytest.fixture(scope="module")
def full_hd_pair() -> ViewedPair:
    scene = make_scene((1080, 1920), seed=4)
    random = np.random.default_rng(0)
    # An estimate is not smooth in its last digits.
    uv = scene.truth.uv + random.normal(0, 0.02, scene.truth.uv.shape).astype(np.float32)
    return ViewedPair("full HD", (FlowField(uv),), scene.frame1, scene.frame2)


def test_a_full_hd_pair(show, make_page, full_hd_pair):
    path = make_page(full_hd_pair)
    assert path.stat().st_size < 8e6
    shown = show(path, viewport={"width": 1280, "height": 800})
    paints = shown.page.evaluate("performance.getEntriesByType('paint').map((one) => [one.name, one.startTime])")
    drawn = shown.page.evaluate("performance.getEntriesByName('flow drawn')[0].startTime")
    # What a change of the scale costs the page: from the frame of the screen in which it is drawn to its end.
    times = shown.page.evaluate(
        """async () => {
          const slider = document.getElementById('scale');
          const times = [];
          for (let k = 0; k < 40; k += 1) {
            let from = 0;
            requestAnimationFrame(() => { from = performance.now(); });
            slider.value = 0.4 + 0.005 * k;
            slider.dispatchEvent(new Event('input'));
            await new Promise((done) => requestAnimationFrame(done));
            times.push(performance.now() - from);
          }
          return times.sort((a, b) => a - b);
        }"""
    )
    print(
        f"\n{path.stat().st_size / 1e6:.2f} MB, {paints}, flow drawn {drawn:.0f} ms, recoloured in "
        f"{times[0]:.1f} to {times[-1]:.1f} ms, median {times[20]:.1f}"
    )
    assert dict(paints)["first-contentful-paint"] < 1000 * SLACK
    assert times[20] < 1000 / 60 * SLACK
