"""The parts of the Ray engine that are not Ray: what a worker does, how a cluster is divided, what is refused."""

import importlib.util
import platform
from dataclasses import replace

import numpy as np
import pytest
import torch
from batch_runs import results
from plain_estimator import PlainOptions

from flowcli import __version__
from flowcli.checkpoints import save_checkpoint
from flowcli.errors import EngineError, UsageError, WeightsError
from flowcli.jobs import ray_worker
from flowcli.jobs.engines import EngineChoice, open_engine
from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Advanced, Ended, PartDone, Started
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.ray_cluster import connect, describe_death
from flowcli.jobs.ray_crew import RayCrew, refuse_absent
from flowcli.jobs.ray_worker import Absent, Greeting, RayWorker
from flowcli.jobs.settings import BatchSettings
from flowcli.jobs.share import Machine, Share, divide
from flowcli.model.config import TINY
from flowcli.model.perceiver import PerceiverFlow
from flowcli.options import EstimatorOptions


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """A process of its own for the worker, as far as a test can be one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_worker, "_node", lambda: "node")
    monkeypatch.setattr("flowcli.runtime.process.configure_process", lambda threads, spare: None)


def test_without_ray_there_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"^--engine ray: expected Ray, .* run: pip install 'flowcli\[ray\]'$"):
        EngineChoice("ray")


def test_options_of_another_engine_are_refused():
    with pytest.raises(UsageError, match="--workers, --gpus-per-worker: only for --engine ray"):
        EngineChoice(workers=2, gpus=0.5)
    with pytest.raises(UsageError, match="expected no --jobs with --engine ray, got --jobs 3; use --workers"):
        EngineChoice("ray", jobs=3)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_local_engines_tell_their_settings(jobs):
    with open_engine(EngineChoice(jobs=jobs), PlainOptions()) as (engine, settings):
        assert settings == {"model": "plain"}
        assert list(engine([])) == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_does_not_answer(address):
    with pytest.raises(EngineError, match=rf"^{address}: expected a Ray cluster, nobody answers \(.*refused\); start"):
        connect(address)


def test_a_worker_begins_and_works(make_folder, make_job, tmp_path):
    make_folder("long", 36)
    worker = RayWorker()
    greeting = worker.begin(PlainOptions(), 1, None, str(tmp_path))
    assert (greeting.machine, greeting.version, greeting.settings) == (platform.node(), __version__, {"model": "plain"})
    (tmp_path / "out" / ".flowcli").mkdir(parents=True)
    # Names are meant as in the folder where the command was given.
    job = make_job(BatchItem("long", ("long",)), BatchSettings(".flo", ".flo"), tmp_path / "out")
    told = list(worker.work(job))
    events = [event for together in told for event in together]
    assert [type(event) for event in events if not isinstance(event, Advanced)] == [Started, *[PartDone] * 3, Ended]
    # Of those that are told together the last is enough.
    assert sum(isinstance(event, Advanced) for event in events) < 35
    assert len(told) < len(events)
    assert len(results(tmp_path / "out")) == 35


def test_a_worker_says_what_it_does_not_see(make_job, tmp_path):
    worker = RayWorker()
    worker.begin(PlainOptions(), 1, None, str(tmp_path))
    job = make_job(BatchItem("a", ("not/there",)), BatchSettings(".flo", ".flo"), tmp_path / "out")
    ((absent, failed),) = list(worker.work(job))
    assert absent == Absent("not/there", platform.node())
    assert isinstance(failed, Failed)
    # Nor does the driver: then it is the item's own fault.
    assert refuse_absent([absent, failed]) == [failed]
    with pytest.raises(
        EngineError, match=r": is not there on elsewhere; all machines of the cluster have to see the in"
    ):
        refuse_absent([Absent(str(tmp_path), "elsewhere")])


@pytest.mark.parametrize(
    ("options", "place", "error", "text"),
    [
        (PlainOptions(misdeed="weights"), ".", EngineError, "no such device"),
        (PlainOptions(preset="best"), ".", UsageError, "expected no --preset"),
        (EstimatorOptions("not-there"), ".", WeightsError, "found neither"),
        (PlainOptions(), "not/there", EngineError, "not/there: expected the folder in which the command was given"),
    ],
)
def test_a_worker_that_cannot_begin_says_why(options, place, error, text):
    greeting = RayWorker().begin(options, 1, None, place)
    assert isinstance(greeting.error, error)
    assert text in str(greeting.error)


def test_weights_that_are_sent_along_keep_their_name(tmp_path):
    torch.manual_seed(0)
    tensors = {name: torch.randn(tensor.shape) for name, tensor in PerceiverFlow(TINY).state_dict().items()}
    save_checkpoint(tmp_path / "sent", TINY, tensors, {})
    sent = np.fromfile(tmp_path / "sent", np.uint8)
    (tmp_path / "sent").unlink()
    greeting = RayWorker().begin(EstimatorOptions("weights/mine", kernels="torch"), 1, sent, str(tmp_path))
    assert greeting.error is None
    assert greeting.settings["model"] == "weights/mine"
    assert len(str(greeting.settings["weights"])) == 64
    assert greeting.arithmetic.startswith(f"torch {torch.__version__}, ")
    assert greeting.arithmetic.endswith(", torch's kernels")


def test_the_probe(tmp_path):
    (tmp_path / "probe").write_text("token")
    worker = RayWorker()
    assert worker.look(str(tmp_path / "probe"), str(tmp_path / "answer"), "token")
    assert (tmp_path / "answer").read_text() == "token"
    assert not worker.look(str(tmp_path / "probe"), str(tmp_path / "answer"), "another")
    assert not worker.look(str(tmp_path / "elsewhere" / "probe"), str(tmp_path / "answer"), "token")


def test_machines_that_differ_are_told_of_once_or_refused():
    told = []
    crew = object.__new__(RayCrew)
    crew._first, crew._has_warned, crew._notify = None, False, told.append
    one = Greeting("one", "1" * 8, __version__, {"device": "cpu"}, "torch 2, AVX2")
    for greeting in (one, replace(one, machine="two"), replace(one, machine="three", arithmetic="torch 2, AVX512")):
        crew._admit(greeting)
    crew._admit(replace(one, machine="four", arithmetic="torch 3"))
    assert told == [
        "three computes with torch 2, AVX512, one with torch 2, AVX2: "
        "the last digits of a flow may depend on the machine"
    ]
    with pytest.raises(EngineError, match=r"^two \(node 11111111\): would estimate with another device than one; "):
        crew._admit(replace(one, machine="two", settings={"device": "cuda:0"}))
    with pytest.raises(EngineError, match=rf"expected flowcli {__version__} as here, found 0\.0"):
        crew._admit(replace(one, version="0.0"))
    with pytest.raises(WeightsError, match=r"^one \(node 11111111\): no such file"):
        crew._admit(replace(one, error=WeightsError("no such file")))
    with pytest.raises(UsageError, match=r"^expected no --preset"):
        crew._admit(replace(one, error=UsageError("expected no --preset")))


FOUR, EIGHT = Machine(4), Machine(8)


@pytest.mark.parametrize(
    ("machines", "wanted", "expected"),
    [
        ([Machine(0), FOUR, EIGHT], {}, Share(12, 1)),
        ([FOUR, EIGHT], {"threads": 3}, Share(3, 3)),
        ([FOUR, EIGHT], {"workers": 3}, Share(3, 4)),
        ([FOUR, EIGHT], {"workers": 6}, Share(6, 2)),
        # More than fit: those that have no place wait for one.
        ([FOUR], {"workers": 9}, Share(9, 1)),
        ([Machine(16, 2), Machine(0, 0), FOUR], {"gpus": 0.25}, Share(8, 2, 0.25)),
        ([Machine(10, 1)], {"gpus": 0.1}, Share(10, 1, 0.1)),
        ([Machine(16, 8)], {"gpus": 2, "workers": 3}, Share(3, 5, 2)),
    ],
)
def test_a_cluster_is_divided(machines, wanted, expected):
    assert divide(machines, **wanted) == expected


@pytest.mark.parametrize(
    ("machines", "wanted", "text"),
    [
        ([Machine(0)], {}, "expected a machine with 1 CPU for a worker, found 0 CPUs and 0 GPUs"),
        ([FOUR], {"threads": 5}, "expected a machine with 5 CPUs for a worker, found 4 CPUs and 0 GPUs"),
        ([FOUR], {"gpus": 0.5}, "expected a machine with 1 CPU and 0.5 GPU for a worker"),
        ([], {}, "found no machine"),
    ],
)
def test_a_cluster_without_room_is_refused(machines, wanted, text):
    with pytest.raises(EngineError, match=text):
        divide(machines, **wanted)


def test_deaths_are_told_in_a_few_words():
    assert describe_death(Exception("Task was killed due to the node running low on memory.\nmore")) == (
        "killed for lack of memory"
    )
    assert (
        describe_death(Exception("The actor died.\n\tpid: 7\nThe worker died. SIGKILL.")) == "The worker died. SIGKILL."
    )
    assert describe_death(ValueError()) == "ValueError"
