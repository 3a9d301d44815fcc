import os

import pytest

from flowcli.estimator import Estimator
from flowcli.jobs import local
from flowcli.jobs.faults import Failed
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import BatchSettings


@pytest.mark.parametrize("error", [UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), MemoryError(), SystemExit(3)])
def test_whatever_an_item_raises_ends_that_item_only(make_folder, make_job, mean_flow, tmp_path, error):
    class Failing(mean_flow):
        def estimate(self, pairs):
            if self.pairs == 0:
                self.pairs = 1
                raise error
            return super().estimate(pairs)

    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    items = [BatchItem(name, (str(make_folder(name, 4)),)) for name in ("a", "b")]
    settings = BatchSettings(".flo", ".flo", None)
    jobs = [make_job(item, settings, tmp_path / "out") for item in items]
    reports = list(run_here(jobs, Estimator(Failing())))
    failed = reports[1][1]
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(f"unexpected {type(error).__name__}: ")
    assert failed.details is not None
    assert "Traceback" in failed.details
    assert reports[-1][0] == "b"
    assert reports[-1][1].pairs == 3  # pyright: ignore[reportAttributeAccessIssue]


def test_ctrl_c_is_no_fault_of_an_item(make_folder, make_job, mean_flow, tmp_path):
    class Interrupted(mean_flow):
        def estimate(self, pairs):
            raise KeyboardInterrupt

    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    job = make_job(BatchItem("a", (str(make_folder("a", 4)),)), BatchSettings(".flo", ".flo", None), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(run_here([job], Estimator(Interrupted())))


def test_cores_are_counted():
    assert 1 <= local.count_cores() <= (os.cpu_count() or 1)


def test_an_exception_that_cannot_say_what_it_is():
    class Odd(Exception):
        def __str__(self):
            raise ZeroDivisionError

    failed = Failed.by(Odd())
    assert failed.reason == "unexpected Odd: (it has no text)"
    assert failed.details
