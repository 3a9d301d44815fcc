"""The short form of tests/kill_batch.py: a batch is killed at chosen places instead of random moments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_batch import Counts, check_end, check_now, make_inputs, results

import flowcli

# A batch that sends itself SIGKILL at the n-th rename of a file or line of the journal.
WORK = """
import os, signal, sys
from functools import partial
from pathlib import Path

from flowcli.estimator import Estimator
from flowcli.jobs.batch import Batch
from flowcli.jobs.journal import Journal
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import BatchSettings
from plain_estimator import PlainMethod

left = int(sys.argv[1])

def counted(function, when):
    def call(*arguments):
        global left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

Path.replace = counted(Path.replace, sys.argv[2])
Journal._write = counted(Journal._write, sys.argv[2])

output = Path(sys.argv[3])
batch = Batch(plan_batch(sys.argv[4:], output), BatchSettings(".flo", ".flo", ".mp4"), output, {"model": "plain"})
for _ in batch.run(partial(run_here, estimator=Estimator(PlainMethod())), lambda item: 0, overwrite=False):
    pass
"""
NEVER = 10**9


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    inputs = make_inputs(folder / "in", [20])

    def work(output, left=NEVER, when="before"):
        command = [sys.executable, "-c", WORK, str(left), when, str(output), *inputs]
        paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(flowcli.__file__).parents[1])])
        return subprocess.run(command, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths}).returncode

    assert work(folder / "reference") == 0
    return work, results(folder / "reference")


def test_kills_lose_nothing_leave_nothing_partial_and_change_nothing(reference, tmp_path):
    work, expected = reference
    counts = Counts()
    for left, when in ((1, "before"), (24, "after"), (6, "before")):
        code = work(tmp_path, left, when)
        assert code == -9
        counts.kills += 1
        check_now(results(tmp_path), expected, counts)
    assert work(tmp_path) == 0
    check_end(results(tmp_path), expected, counts)
    # Flow of 19 pairs of the clip and 4 of the frames; 2 videos; flow and picture of the listed pair.
    assert len(expected) == 19 + 4 + 2 + 2
    assert (counts.kills, counts.lost, counts.partial, counts.different) == (3, 0, 0, 0)
