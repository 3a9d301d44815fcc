"""Make the README's picture of `flowcli view`, from a pair rendered here; needs /usr/bin/chromium.

python tests/readme_view.py .github/pictures/view.png
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from flowcli.io.flow import write_flow
from flowcli.io.image import write_image
from flowcli.training.scene import make_scene


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = make_scene((288, 400), seed=21)
        write_image(folder / "a.png", scene.frame1)
        write_image(folder / "b.png", scene.frame2)
        write_flow(folder / "truth.flo", scene.truth)
        names = [str(folder / name) for name in ("a.png", "b.png", "truth.flo")]
        page = folder / "flow.html"
        command = [sys.executable, "-m", "flowcli", "view", *names, "-o", str(page), "--title", "a rendered pair"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1100, "height": 700})
            tab.goto(page.as_uri() + "#arrows=12&pin=92,150")
            tab.wait_for_selector("#comparison:not([hidden])", state="attached")
            tab.wait_for_timeout(500)
            tab.screenshot(path=sys.argv[1])
            browser.close()
    # A palette: a third of the bytes.
    with Image.open(sys.argv[1]) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
