import os

import pytest

from flowcli.jobs import local
from flowcli.jobs.faults import Failed
from flowcli.jobs.local import EstimatorOptions, run_here
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import BatchSettings


@pytest.mark.parametrize("error", [UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), MemoryError(), SystemExit(3)])
def test_whatever_an_item_raises_ends_that_item_only(make_folder, make_job, mean_flow, tmp_path, error):
    class Failing(mean_flow):
        def flows(self, pairs, together=1):
            if self.pairs == 0:
                self.pairs = 1
                raise error
            return super().flows(pairs, together)

    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    items = [BatchItem(name, (str(make_folder(name, 4)),)) for name in ("a", "b")]
    settings = BatchSettings(".flo", ".flo", None)
    reports = list(run_here([make_job(item, settings, tmp_path / "out") for item in items], Failing()))
    failed = reports[1][1]
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(f"unexpected {type(error).__name__}: ")
    assert failed.details is not None
    assert "Traceback" in failed.details
    assert reports[-1][0] == "b"
    assert reports[-1][1].pairs == 3  # pyright: ignore[reportAttributeAccessIssue]


def test_ctrl_c_is_no_fault_of_an_item(make_folder, make_job, mean_flow, tmp_path):
    class Interrupted(mean_flow):
        def flows(self, pairs, together=1):
            raise KeyboardInterrupt

    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    job = make_job(BatchItem("a", (str(make_folder("a", 4)),)), BatchSettings(".flo", ".flo", None), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        list(run_here([job], Interrupted()))


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
