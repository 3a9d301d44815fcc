"""Batches on a real Ray cluster on this machine: a head without CPUs and two nodes. Kills: tests/kill_ray.py."""

import os
import re
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from batch_runs import SETTINGS, results
from kill_batch import make_inputs
from kill_ray import add_node, start_cluster
from plain_estimator import PlainOptions

from flowcli.checkpoints import save_checkpoint
from flowcli.errors import EngineError
from flowcli.estimator import Estimator
from flowcli.io.image import write_image
from flowcli.jobs import ray_crew
from flowcli.jobs.batch import Batch
from flowcli.jobs.crew import run_in_crew
from flowcli.jobs.job import Interrupted, PartDone
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.ray_cluster import Cluster
from flowcli.jobs.ray_crew import RayCrew
from flowcli.model.config import TINY
from flowcli.model.perceiver import PerceiverFlow
from flowcli.options import EstimatorOptions

# Ray leaves sockets and files to the end of the process.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def cluster():
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(ray_crew.__file__).parents[2])])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = paths
    try:
        with start_cluster() as (cluster, nodes):
            cluster.nodes = nodes
            yield cluster
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """20 clips, one of them long, a folder and a pair."""
    return make_inputs(tmp_path_factory.mktemp("ray") / "in", [*[3, 5] * 9, 100, 20])


@pytest.fixture
def run(cluster, inputs, tmp_path):
    """run(output, options, workers=None, spoil=None) -> the batch after its end; spoil(name, event) sees all."""

    def start(output, options, workers=None, spoil=lambda name, event: None, on_ray=True, more=()):
        items = plan_batch([*inputs, *more], tmp_path / output)

        def work(engine, settings):
            batch = Batch(items, SETTINGS, tmp_path / output, settings)
            for _ in batch.run(engine, lambda item: 0, overwrite=False):
                pass
            return batch

        if not on_ray:
            with Estimator(options) as estimator:
                return work(partial(run_here, estimator=estimator), estimator.settings)
        with RayCrew(options, Cluster(cluster.address, workers)) as crew:

            def watched(jobs):
                reports, answer = run_in_crew(jobs, crew), None
                while True:
                    try:
                        name, event = reports.send(answer)
                    except StopIteration:
                        return
                    spoil(name, event)
                    answer = yield name, event

            return work(watched, crew.settings)

    return start


@pytest.fixture
def same(run, tmp_path):
    """same(options) checks that the folder "ray" holds what a run in one process makes."""

    def check(options, batch):
        here = run("here", options, on_ray=False)
        assert {o.name: (o.fault, o.pairs) for o in batch.outcomes} == {
            o.name: (o.fault, o.pairs) for o in here.outcomes
        }
        assert (batch.done, batch.total) == (here.done, here.total)
        assert results(tmp_path / "ray") == results(tmp_path / "here")

    return check


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        (EstimatorOptions("dis"), 1),
        (EstimatorOptions("variational", preset="fast"), None),
        # One has no place: it waits, the others work.
        (EstimatorOptions("dis"), 3),
    ],
    ids=["one", "as many as fit", "more than fit"],
)
def test_results_do_not_depend_on_the_workers(run, same, options, workers):
    same(options, run("ray", options, workers))


def test_a_lost_node(cluster, run, same):
    left = [12]

    def spoil(name, event):
        left[0] -= isinstance(event, PartDone)
        if left[0] == 0:
            left[0] = -1
            cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)
            cluster.nodes.append(add_node(cluster))

    options = EstimatorOptions("zero")
    same(options, run("ray", options, spoil=spoil))
    assert left[0] < 0


def test_a_killed_worker(run, same, tmp_path):
    lost = []

    def spoil(name, event):
        lost.extend([event] if isinstance(event, Interrupted) else [])

    # One of them, after so many pairs of its own: in the middle of an item.
    options = PlainOptions(misdeed="death", after=10, mark=str(tmp_path / "has-died"))
    same(options, run("ray", options, spoil=spoil))
    # Pairs of items that were sent again count once, as `same` has seen.
    assert lost


def test_an_item_that_kills_workers_is_a_fault_after_three_tries(run, tmp_path):
    folder = tmp_path / "black"
    folder.mkdir()
    for number in range(3):
        write_image(folder / f"{number}.png", np.zeros((48, 64, 3), np.uint8))
    batch = run("ray", PlainOptions(misdeed="death of black"), more=[str(folder)])
    faults = {outcome.name: outcome.fault for outcome in batch.outcomes if outcome.fault}
    assert list(faults) == ["black"]
    assert re.match(r"its worker process died 3 times \(.+\)", faults["black"])
    assert len(batch.outcomes) == 23


def test_weights_that_only_the_driver_has(run, same, tmp_path):
    torch.manual_seed(0)
    tensors = {name: torch.randn(tensor.shape) for name, tensor in PerceiverFlow(TINY).state_dict().items()}
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, TINY, tensors, {})
    options = EstimatorOptions(str(path), kernels="torch", threads=1)
    sent = run("ray", options)
    same(options, sent)


def test_an_output_folder_that_is_not_shared(run, monkeypatch):
    # The others read the probe where they are: what this process writes is not what they see.
    monkeypatch.setattr(Path, "write_text", lambda self, text: None)
    with pytest.raises(EngineError, match=r"ray: is another folder on .*; expected an output folder that all machines"):
        run("ray", EstimatorOptions("zero"))


def test_the_command_line(cluster, inputs, tmp_path):
    command = [sys.executable, "-m", "flowcli", "batch", *inputs, "--model", "dis", "-o"]
    subprocess.run([*command, str(tmp_path / "here")], stdout=subprocess.DEVNULL, check=True)
    command += [str(tmp_path / "ray"), "--engine", "ray", "--address", cluster.address, "--workers", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert results(tmp_path / "ray") == results(tmp_path / "here")
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.count('"skipped": true') == 22


def test_a_client_outside_of_the_cluster(cluster, inputs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [sys.executable, "-m", "ray.util.client.server", "--mode", "proxy", "--host", "127.0.0.1"]
    command = [sys.executable, "-m", "flowcli", "batch", *inputs, "--model", "zero", "-o"]
    subprocess.run([*command, str(tmp_path / "here")], stdout=subprocess.DEVNULL, check=True)
    with subprocess.Popen([*server, "--port", str(port), "--address", cluster.address]) as proxy:
        try:
            wait_for(port)
            command += [str(tmp_path / "ray"), "--engine", "ray", "--address", f"ray://127.0.0.1:{port}"]
            done = subprocess.run(command, capture_output=True, text=True)
        finally:
            proxy.terminate()
    assert (done.returncode, done.stderr) == (0, "")
    assert results(tmp_path / "ray") == results(tmp_path / "here")


def wait_for(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_example_for_ray_data(make_folder, tmp_path):
    make_folder("frames", 5)
    rows = [f"frames/f{number:03d}.png,frames/f{number + 1:03d}.png" for number in range(4)]
    (tmp_path / "pairs.csv").write_text("\n".join(["frame1,frame2", *rows]))
    readme = Path(__file__).parents[2] / "README.md"
    (example,) = re.findall(r"(?ms)^```python ray\n(.*?)^```$", readme.read_text(encoding="utf-8"))
    script = "import ray\nray.init('local', num_cpus=2, include_dashboard=False, log_to_driver=False)\n" + example
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    (frames1, flows) = zip(
        *(
            (row["frame1"], row["flow"])
            for path in (tmp_path / "flows-of-pairs").glob("*.parquet")
            for row in pq.read_table(path).to_pylist()
        ),
        strict=True,
    )
    found = dict(zip(frames1, flows, strict=True))
    assert len(found) == 4
    with Estimator(threads=1) as estimator:
        for row in rows:
            one, two = (tmp_path / name for name in row.split(","))
            # Without Ray, its tensors are lists.
            uv = np.array(found[row.split(",")[0]], np.float32).reshape(24, 32, 2)
            assert np.array_equal(uv, estimator.flow(one, two).uv)


def test_a_driver_that_is_killed_goes_on(cluster, inputs, tmp_path):
    command = [sys.executable, "-m", "flowcli", "batch", *inputs, "--model", "dis", "-o", str(tmp_path / "ray")]
    command += ["--engine", "ray", "--address", cluster.address]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert driver.stdout is not None
    for _ in range(6):
        assert driver.stdout.readline()
    driver.kill()
    driver.communicate()
    assert len(results(tmp_path / "ray")) > 0
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    command = [sys.executable, "-m", "flowcli", "batch", *inputs, "--model", "dis", "-o", str(tmp_path / "here")]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    assert results(tmp_path / "ray") == results(tmp_path / "here")
