"""What `flowcli estimate` loads before it answers: counted by module, in a process of its own, not by time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowcli.io.image import write_image

RUN = """
import sys
from flowcli.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(sys.modules), file=sys.stderr)
"""
# Of other options, other inputs, other outputs and other commands.
UNNEEDED = {
    "flowcli.cli.view_pairs",
    "flowcli.viewer",
    "flowcli.evaluation.difference",
    "flowcli.evaluation.metrics",
    "flowcli.training",
    "flowcli.suite",
    "flowcli.jobs.pool",
    "flowcli.jobs.ray_crew",
    "flowcli.io.hdf5",
    "av",
    "h5py",
    "ray",
    "transformers",
    "pandas",
    "imageio",
    "PIL",
    "fsspec",
    "requests",
    "sympy",
    "torch._inductor",
}


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    for shift, path in enumerate(paths):
        write_image(path, np.roll(frame, shift, axis=1))
    return [str(path) for path in paths]


def modules_after(*words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_an_estimate_loads_nothing_of_what_it_does_not_do(pair: list[str], tmp_path: Path) -> None:
    loaded = modules_after("estimate", *pair, "-o", str(tmp_path / "f.flo"))
    assert "torch" in loaded
    assert loaded & UNNEEDED == set()


def test_a_page_loads_what_it_needs(pair: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    loaded = modules_after("estimate", *pair, "-o", str(tmp_path / "f.flo"), "--view", str(page), "--model", "zero")
    assert "flowcli.viewer" in loaded
    assert page.stat().st_size > 0
