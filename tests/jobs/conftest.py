from functools import partial

import numpy as np
import pytest
from batch_runs import SETTINGS, Interrupt

from flowcli.estimator import Estimator
from flowcli.flow import FlowField
from flowcli.io.image import write_image
from flowcli.io.sources import expect_pairs
from flowcli.jobs.attempt import place_work
from flowcli.jobs.batch import Batch
from flowcli.jobs.job import ItemJob, Task
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch


class MeanFlow:
    """Flow that tells which frames it was made of: u and v are the means of frame 1 and frame 2; no torch."""

    def __init__(self, name="mean"):
        self.settings = {"model": name}
        self.pairs = 0

    def estimate(self, pairs):
        self.pairs += len(pairs)
        uvs = [((one.mean() / 9, two.mean() / 9), one.shape[:2]) for one, two in pairs]
        return [FlowField(np.full((*size, 2), uv, np.float32)) for uv, size in uvs]


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


@pytest.fixture
def make_job():
    """make_job(item, settings, folder) -> the job to make all of its outputs from the beginning."""

    def make(item, settings, folder):
        outputs = settings.arrange(folder, item.name, is_pair=item.is_pair).outputs
        tasks = [Task(output, place_work(folder, item.name, output.kind)) for output in outputs]
        return ItemJob(item, settings, folder, tuple(tasks))

    return make


@pytest.fixture
def folders(make_folder, tmp_path):
    """a with 40 frames: three parts; b with 10."""
    make_folder("in/a", 40)
    make_folder("in/b", 10, first=7)
    return tmp_path / "in"


@pytest.fixture
def run(folders, tmp_path, mean_flow):
    """run(method, ...) -> the batch, after its end."""

    def run(
        method=None,
        *,
        inputs=None,
        settings=SETTINGS,
        output="out",
        overwrite=False,
        stop_after=None,
        notify=lambda _: None,
    ):
        estimator = Estimator(method or mean_flow())
        items = plan_batch([str(path) for path in (inputs or [folders])], tmp_path / output)
        batch = Batch(items, settings, tmp_path / output, estimator.settings)
        events = batch.run(
            partial(run_here, estimator=estimator),
            lambda item: expect_pairs(item.inputs, settings.selection, None, settings.same_length),
            overwrite=overwrite,
            notify=notify,
        )
        try:
            for number, _ in enumerate(events, 1):
                if number == stop_after:
                    raise Interrupt
        finally:
            events.close()
        return batch

    return run
