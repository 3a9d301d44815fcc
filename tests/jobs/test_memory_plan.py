"""--memory, from the command line to the bits of a result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import UsageError
from flowcli.estimator import Estimator
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import open_source
from flowcli.jobs.memory import measure_demand, plan_layout
from flowcli.jobs.pool import share_memory
from flowcli.jobs.sequence import PairStream
from flowcli.jobs.stream import estimate_pairs
from flowcli.options import EstimatorOptions
from flowcli.output.plan import plan_outputs
from flowcli.runtime import ceiling, process
from flowcli.runtime.ceiling import MIB, UNLIMITED, Layout


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three frames of a moving pattern, 160x120."""
    folder = tmp_path / "clip"
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    frame = np.asarray(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC), np.uint8)
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.roll(frame, (index, 2 * index), (0, 1)))
    return folder


@pytest.fixture
def light_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of 300 MiB, whatever the tests before left behind; and one that is not set up for a ceiling."""
    monkeypatch.setattr(ceiling, "resident_memory", lambda: 300 * MIB)
    monkeypatch.setattr(process, "spare_memory", lambda: True)


def flows(clip: Path, layout: Layout, model: str) -> Iterator[bytes]:
    source = open_source([str(clip)])
    with Estimator(model, device="cpu", threads=2) as estimator:
        estimator.limit_workers(layout.workers)
        with PairStream(source, depth=layout.depth) as stream:
            for result in estimate_pairs(stream.take(), estimator, backward=True, resize=Resize()):
                assert result.backward is not None
                yield result.forward.uv.tobytes() + result.backward.uv.tobytes()


@pytest.mark.parametrize("model", ["variational", pytest.param("compact", marks=pytest.mark.slow)])
def test_flow_is_the_same_to_the_bit_however_little_there_is(clip: Path, model: str) -> None:
    whole = list(flows(clip, UNLIMITED, model))
    assert len(whole) == 2
    assert list(flows(clip, Layout(0, 1), model)) == whole


@pytest.mark.slow
def test_files_are_the_same_under_different_ceilings(clip: Path, tmp_path: Path, light_process: None) -> None:
    written: dict[str, dict[str, bytes]] = {}
    for asked in ("", "8", "0.5"):
        folder = tmp_path / f"out{asked}"
        memory = ["--memory", asked] if asked else []
        command = ["estimate", str(clip), "-o", f"{folder}/", "-v", f"{folder}/all.mp4", *memory]
        folder.mkdir()
        result = CliRunner().invoke(app, [*command, "--model", "variational", "--threads", "2"])
        assert result.exit_code == 0, result.output
        written[asked] = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert len(written[""]) == 3
    assert written[""] == written["8"] == written["0.5"]


def test_too_little_is_refused_before_any_work(clip: Path, tmp_path: Path, light_process: None) -> None:
    command = ["estimate", str(clip), "-v", str(tmp_path / "a.mp4"), "--memory", "0.25", "--model", "variational"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("--memory 0.25: expected at least 0.")
    assert "160x120" in str(result.exception)
    assert not (tmp_path / "a.mp4").exists()


def test_an_item_of_a_batch_that_is_too_large_is_its_own_fault(clip: Path, tmp_path: Path, light_process: None) -> None:
    large = tmp_path / "large"
    large.mkdir()
    for index in range(2):
        cv2.imwrite(str(large / f"{index}.png"), np.zeros((3000, 4000, 3), np.uint8))
    output = tmp_path / "out"
    command = ["batch", str(clip), str(large), "-o", str(output), "--format", "flo", "--memory", "0.45"]
    result = CliRunner().invoke(app, [*command, "--model", "dis"])
    assert "large: --memory 0.45: expected at least 1." in result.stderr
    assert sorted(path.name for path in output.glob("*/*.flo")) == ["0.flo", "1.flo"]


def test_the_plan_sees_what_is_written_and_in_which_size(clip: Path, tmp_path: Path) -> None:
    source = open_source([str(clip)])
    pixels = 160 * 120

    def demand(*outputs: str | None, backward: bool = False, size: tuple[int, int] = (120, 160)) -> ceiling.Demand:
        plan = plan_outputs(source, *outputs, backward=backward, flow_format=None)  # pyright: ignore[reportArgumentType]
        return measure_demand(source, size, plan.outputs, backward=backward)

    plain = demand(f"{tmp_path}/", None, None)
    assert (plain.frame, plain.result, plain.kept, plain.pairs) == (3 * pixels, 8 * pixels, 0, 2)
    assert plain.opened == 2 * plain.frame
    assert demand(None, f"{tmp_path}/a.mp4", None).kept > 2**26
    assert demand(f"{tmp_path}/", None, None, backward=True).result == 16 * pixels
    assert demand(f"{tmp_path}/", None, None, size=(60, 80)).frame == 3 * pixels + 3 * pixels // 4


def test_without_a_ceiling_nothing_changes(clip: Path, tmp_path: Path) -> None:
    source = open_source([str(clip)])
    plan = plan_outputs(source, f"{tmp_path}/", None, None, backward=False, flow_format=None)
    assert plan_layout(Estimator("zero"), source, plan, Resize()) == UNLIMITED


def test_processes_share_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    from flowcli.jobs import pool

    monkeypatch.setattr(pool, "resident_memory", lambda: 2**29)
    shared, number = share_memory(EstimatorOptions("zero", memory=4.5), 4)
    assert (shared.memory, number) == (1.0, 4)
    shared, number = share_memory(EstimatorOptions("zero", memory=1.25), 4)
    assert (shared.memory, number) == (0.375, 2)
    assert share_memory(EstimatorOptions("zero"), 4) == (EstimatorOptions("zero"), 4)
    with pytest.raises(UsageError, match=r"--memory 0\.5: expected at least 0\.81"):
        share_memory(EstimatorOptions("zero", memory=0.5), 4)


@pytest.mark.slow
def test_a_process_stays_below_the_least_that_works(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (135, 240, 3), np.uint8)
    frame = np.asarray(cv2.resize(noise, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.roll(frame, (index, 3 * index), (0, 1)))
    command = [sys.executable, "-m", "flowcli", "estimate", str(tmp_path / "0.png"), str(tmp_path / "1.png")]
    command += ["-o", str(tmp_path / "a.flo"), "--model", "variational", "--threads", "2", "--memory"]
    refused = subprocess.run([*command, "0.3"], capture_output=True, text=True)
    assert refused.returncode == 2
    least = refused.stderr.partition("at least ")[2].split()[0]
    # A process of its own waits for it: the peak of a child begins with what its parent held.
    waiter = "import os, subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL); "
    waiter += "_, status, usage = os.wait4(child.pid, 0); print(status, usage.ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", waiter, *command, least], capture_output=True, text=True, check=True)
    status, peak = map(int, done.stdout.split())
    assert status == 0
    unit = 1 if sys.platform == "darwin" else 1024
    assert peak * unit <= float(least) * 2**30
