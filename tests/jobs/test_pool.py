import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plain_estimator import PlainOptions

from flowcli.errors import EngineError, UsageError
from flowcli.estimator import Estimator
from flowcli.io.flow import read_flow
from flowcli.jobs import pool
from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Advanced, Assigned, Ended, PartDone, Started
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.pool import run_in_processes
from flowcli.jobs.settings import BatchSettings

SETTINGS = BatchSettings(".flo", ".flo", None)


@pytest.fixture
def jobs(make_folder, make_job, tmp_path):
    """jobs(output) -> three items: a and c are good, b is not there."""
    make_folder("a", 5)
    make_folder("c", 4, first=7)

    def make(output):
        (tmp_path / output / ".flowcli").mkdir(parents=True)
        items = [BatchItem(name, (str(tmp_path / name),)) for name in ("a", "b", "c")]
        return [make_job(item, SETTINGS, tmp_path / output) for item in items]

    return make


def outcomes(reports):
    reports = list(reports)
    advanced = sum(isinstance(event, Advanced) for _, event in reports)
    return advanced, {name: event for name, event in reports if isinstance(event, Ended | Failed)}


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.flo")}


@pytest.mark.slow
def test_processes_do_what_one_does(jobs, tmp_path):
    here = outcomes(run_here(jobs("here"), Estimator(PlainOptions())))
    there = outcomes(run_in_processes(jobs("there"), PlainOptions(), 2))
    assert here == there
    assert here[0] == 7
    assert isinstance(here[1]["b"], Failed)
    assert "b: no such file or folder" in here[1]["b"].reason
    assert len(files(tmp_path / "here")) == 7
    assert files(tmp_path / "here") == files(tmp_path / "there")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("misdeed", "text"),
    [
        ("fault", "no memory left"),
        ("bug", "unexpected ZeroDivisionError: a bug"),
        ("exit", "unexpected SystemExit: 3"),
        ("death", "its worker process died 3 times (killed by signal 9, often for lack of memory)"),
    ],
)
def test_what_goes_wrong_with_an_item_is_its_own_fault(jobs, misdeed, text):
    _, found = outcomes(run_in_processes(jobs("out"), PlainOptions(misdeed=misdeed), 2))
    assert found["a"] == found["c"]
    assert found["a"].reason == text
    assert "no such file" in found["b"].reason


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "expected"), [(None, 3), (2, 2)])
def test_threads_are_divided_unless_their_number_is_given(jobs, tmp_path, monkeypatch, threads, expected):
    monkeypatch.setattr(pool, "count_cores", lambda: 6)
    options = PlainOptions(misdeed="tell threads", threads=threads)
    assert outcomes(run_in_processes(jobs("out"), options, 2))[0] == 7
    found = {tuple(read_flow(path).uv[0, 0]) for path in (tmp_path / "out").rglob("*.flo")}
    # The method's threads and torch's.
    assert found == {(expected, expected)}


@pytest.mark.slow
def test_an_option_that_the_method_does_not_have_stops_the_batch(jobs):
    with pytest.raises(UsageError, match="expected no --preset with --model plain"):
        list(run_in_processes(jobs("out"), PlainOptions(preset="best"), 2))


@pytest.mark.slow
def test_others_go_on_where_a_worker_dies(jobs, tmp_path):
    # Item a has a fourth pair, c has not.
    _, found = outcomes(run_in_processes(jobs("out"), PlainOptions(misdeed="death", after=3), 2))
    assert "died 3 times" in found["a"].reason
    assert found["c"].pairs == 3


@pytest.mark.slow
def test_an_item_goes_on_at_its_part_when_its_worker_died_once(make_folder, make_job, tmp_path):
    make_folder("long", 36)
    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    job = make_job(
        BatchItem("long", (str(tmp_path / "long"),)), BatchSettings(".flo", ".flo", ".mp4"), tmp_path / "out"
    )
    reports = list(run_in_processes([job], PlainOptions(misdeed="death", after=20, mark=str(tmp_path / "died")), 1))
    assert [event.part for _, event in reports if isinstance(event, Started | PartDone)] == [0, 0, 1, 1, 2]
    assert isinstance(reports[0][1], Assigned)
    assert reports[-1][1].pairs == 35
    # What the worker was writing when it died may lie beside them: a batch removes it at its end.
    assert len(list((tmp_path / "out" / "long").glob("f*.flo"))) == 35


@pytest.mark.slow
@pytest.mark.parametrize(
    ("misdeed", "error", "text"),
    [
        ("weights", EngineError, "no such device"),
        ("bug at the beginning", RuntimeError, "ZeroDivisionError: a bug"),
        ("death at the beginning", EngineError, r"died before it had begun \(killed by signal 9"),
    ],
)
def test_workers_that_cannot_begin_stop_the_batch(jobs, misdeed, error, text):
    with pytest.raises(error, match=text):
        list(run_in_processes(jobs("out"), PlainOptions(misdeed=misdeed), 2))


def test_no_jobs_need_no_processes():
    assert list(run_in_processes([], PlainOptions(), 4)) == []


ORPHANS = """
import os, sys, time
from pathlib import Path
from flowcli.jobs import pool
from plain_estimator import PlainOptions
from multiprocessing import get_context

if __name__ == "__main__":
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=pool._serve, args=(theirs, PlainOptions(), 1), daemon=True)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_worker_does_not_outlive_its_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(pool.__file__).parents[2])])
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
