import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plain_estimator import PlainEstimator, PlainOptions

from flowcli.errors import EngineError
from flowcli.jobs import local
from flowcli.jobs.item import Advanced, BatchSettings, Ended, ItemJob
from flowcli.jobs.local import EstimatorOptions, Failed, run_here, run_in_processes
from flowcli.jobs.plan import BatchItem

SETTINGS = BatchSettings(".flo", ".flo", None)


@pytest.fixture
def jobs(make_folder, tmp_path):
    """jobs(output) -> three items: a and c are good, b is not there."""
    make_folder("a", 5)
    make_folder("c", 4, first=7)

    def make(output):
        (tmp_path / output / ".flowcli").mkdir(parents=True)
        items = [BatchItem(name, (str(tmp_path / name),)) for name in ("a", "b", "c")]
        return [ItemJob(item, SETTINGS, tmp_path / output) for item in items]

    return make


def outcomes(reports):
    reports = list(reports)
    advanced = sum(isinstance(event, Advanced) for _, event in reports)
    return advanced, {name: event for name, event in reports if isinstance(event, Ended | Failed)}


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.flo")}


def test_processes_do_what_one_does(jobs, tmp_path):
    here = outcomes(run_here(jobs("here"), PlainEstimator()))
    there = outcomes(run_in_processes(jobs("there"), PlainOptions(), 2))
    assert here == there
    assert here[0] == 7
    assert isinstance(here[1]["b"], Failed)
    assert "b: no such file or folder" in here[1]["b"].reason
    assert len(files(tmp_path / "here")) == 7
    assert files(tmp_path / "here") == files(tmp_path / "there")


@pytest.mark.parametrize(
    ("misdeed", "error", "text"),
    [
        ("fault", EngineError, "no memory left"),
        ("bug", RuntimeError, "ZeroDivisionError: a bug"),
        ("death", EngineError, r"a worker process died \(exit code -9"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_raised_here(jobs, misdeed, error, text):
    with pytest.raises(error, match=text):
        list(run_in_processes(jobs("out"), PlainOptions(misdeed), 1))


def test_no_jobs_need_no_processes():
    assert list(run_in_processes([], PlainOptions(), 4)) == []


def test_threads_are_divided(monkeypatch):
    import flowcli.estimator

    class Recorder:
        def __init__(self, model, **options):
            self.options = options

    # Not setattr: looking at the old value would import torch.
    monkeypatch.setitem(vars(flowcli.estimator), "Estimator", Recorder)
    assert EstimatorOptions().build().options["threads"] is None  # pyright: ignore[reportAttributeAccessIssue]
    assert EstimatorOptions().build(3).options["threads"] == 3  # pyright: ignore[reportAttributeAccessIssue]
    assert EstimatorOptions(threads=5).build(3).options["threads"] == 5  # pyright: ignore[reportAttributeAccessIssue]
    assert 1 <= local.count_cores() <= (os.cpu_count() or 1)


ORPHANS = """
import os, sys, time
from pathlib import Path
from flowcli.jobs import local
from plain_estimator import PlainOptions
from multiprocessing import get_context

if __name__ == "__main__":
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=local._serve, args=(theirs, PlainOptions(), 1), daemon=True)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_worker_does_not_outlive_its_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(local.__file__).parents[2])])
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(worker, 0)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        if "\nState:\tZ" in Path(f"/proc/{worker}/status").read_text():
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{worker}").exists()
