import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.io.image import write_image


class MeanFlow:
    """Flow that tells which frames it was made of: u and v are the means of frame 1 and frame 2; no torch."""

    def __init__(self, name="mean"):
        self.settings = {"model": name}
        self.pairs = 0

    def flows(self, pairs, together=1):
        for frame1, frame2 in pairs:
            self.pairs += 1
            yield FlowField(np.full((*frame1.shape[:2], 2), (frame1.mean() / 9, frame2.mean() / 9), np.float32))


@pytest.fixture
def mean_flow():
    return MeanFlow


@pytest.fixture
def make_folder(tmp_path):
    """make_folder(name, count, first=0) -> folder of small noisy frames."""

    def make(name, count, first=0):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng(first)
        texture = rng.integers(0, 256, (40, 80, 3), np.uint8)
        for k in range(first, first + count):
            write_image(folder / f"f{k:03d}.png", np.ascontiguousarray(texture[:24, k % 40 : k % 40 + 32]))
        return folder

    return make
