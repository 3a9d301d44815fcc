"""Two processes train one network over gloo on the CPU; one_of_two.py is what each of them runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_of_two import CONFIG, SETTINGS
from torch import Tensor

from flowcli.checkpoints import load_checkpoint
from flowcli.errors import EngineError, UsageError
from flowcli.model.perceiver import PerceiverFlow
from flowcli.training.distributed import Launch, Processes
from flowcli.training.loop import TrainingData, backward, begin, make_optimisers, step_generator, train, update
from flowcli.training.state import TrainingState
from flowcli.training.textures import make_texture_bank

CPU = torch.device("cpu")
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


@dataclass(frozen=True)
class Pair:
    """What both processes saw and left."""

    folder: Path
    seen: list[dict[str, Any]]
    weights: list[dict[str, Tensor]]

    def rows(self, name: str) -> list[dict[str, float]]:
        return read_log(self.folder / name)


def read_log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(listening.getsockname()[1]) for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    for name in ("whole", "stopped", "full", "nothing", "lost"):
        (folder / name).mkdir()
    (folder / "small.toml").write_text(SETTINGS)
    port, *others = free_ports(4)
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("one_of_two.py")), str(folder), *others]
    processes = [
        subprocess.Popen(
            command,
            env={
                **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        ends = [(process.communicate(timeout=150)[1], process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [code for _, code in ends] == [0, 9], "\n".join(text for text, _ in ends)
    return Pair(
        folder,
        [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)],
        [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)],
    )


@pytest.mark.slow
def test_both_processes_end_with_the_weights_of_one_that_averages_two_gradients(pair: Pair) -> None:
    first, second = pair.weights
    assert all(torch.equal(first[name], second[name]) for name in first)

    model = PerceiverFlow(CONFIG.model)
    state = TrainingState(CONFIG, model, make_optimisers(model, CONFIG))
    data = [TrainingData(CONFIG, (), CPU, rank) for rank in range(2)]
    begin(state, data[0], None, None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for step in range(CONFIG.steps):
        gradients: list[list[Tensor]] = []
        for rank in range(2):
            backward(state, data[rank], step_generator(CONFIG, step, CPU, rank))
            gradients.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
        assert any(not torch.equal(mine, other) for mine, other in zip(*gradients, strict=True))
        for parameter, mine, other in zip(model.parameters(), *gradients, strict=True):
            parameter.grad = (mine + other) / 2
        update(state)
    torch.set_num_threads(threads)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_process_0_alone_leaves_results_and_counts_the_samples_of_both(pair: Pair) -> None:
    assert [seen["results"] for seen in pair.seen] == [["weights.safetensors", "log.jsonl", "curve.png"], []]
    assert {path.name for path in (pair.folder / "whole").iterdir()} == {
        "weights.safetensors", "log.jsonl", "curve.png", "state.pt",
    }  # fmt: skip
    assert [(row["step"], row["samples"]) for row in pair.rows("whole")] == [(2, 8), (3, 12)]


@pytest.mark.slow
def test_one_process_stops_all_and_the_run_goes_on_with_any_number(pair: Pair) -> None:
    assert [seen["stopped"] for seen in pair.seen] == [2, 2]
    assert [seen["resumed"] for seen in pair.seen] == [True, True]
    assert [row["step"] for row in pair.rows("stopped")] == [2, 3]
    assert pair.rows("stopped")[-1]["ratio"] == pair.rows("whole")[-1]["ratio"]
    train(CONFIG, pair.folder / "alone", resume=True)
    assert [(row["step"], row["samples"]) for row in pair.rows("alone")] == [(3, 2 * 4 + 2)]
    assert load_checkpoint(pair.folder / "alone" / "weights.safetensors").config == CONFIG.model


@pytest.mark.slow
def test_a_failure_of_one_is_a_failure_of_all_and_told_once(pair: Pair) -> None:
    first, second = pair.seen
    assert first["full"] == "OutputError: the disk is full"
    assert second["full"] == "PeerError: process 0 of 2 failed: OutputError: the disk is full"
    assert first["nothing"].startswith("WeightsError: expected a training state at")
    assert second["nothing"].startswith("PeerError: process 0 of 2 failed: WeightsError")
    assert "expected the same steps in all processes, found 3 in process 0 and 4 in process 1" in first["unequal"]
    assert second["unequal"].startswith("PeerError")


@pytest.mark.slow
def test_a_lost_process_ends_the_run_with_one_line(pair: Pair) -> None:
    assert pair.seen[0]["lost"].startswith("EngineError: lost another process of the run (")
    assert pair.seen[0]["lost"].endswith("go on with --resume")
    assert not any(part in pair.seen[0]["lost"] for part in ("\n", ".cc:", "typically"))


@pytest.mark.slow
def test_the_command_speaks_with_one_voice(pair: Pair) -> None:
    first, second = pair.seen
    assert first["command"]["end"] == second["command"]["end"] == "SystemExit: 0"
    assert first["command"]["stdout"].split() == [
        str(pair.folder / "command" / name) for name in ("weights.safetensors", "log.jsonl", "curve.png")
    ]
    assert first["command"]["stderr"].startswith("step 1 of 1 ")
    assert second["command"]["stdout"] == second["command"]["stderr"] == ""
    assert [row["samples"] for row in pair.rows("command")] == [4]
    assert [seen["threads"] for seen in pair.seen] == [2, 2]  # of four cores
    assert "already holds a run; use --resume" in first["again"]["end"]
    assert second["again"] == {"end": "SystemExit: 1", "stdout": "", "stderr": ""}


def test_a_single_process_draws_what_it_drew_before_there_were_several() -> None:
    assert step_generator(CONFIG, 7, CPU).initial_seed() == CONFIG.seed * 1_000_003 + 7
    seeds = {step_generator(CONFIG, step, CPU, rank).initial_seed() % 2**32 for step in range(50) for rank in range(50)}
    assert len(seeds) == 2500
    bank = make_texture_bank(np.random.default_rng((CONFIG.seed, 1)), CONFIG.textures, (), CONFIG.photo_share)
    assert np.array_equal(TrainingData(CONFIG, (), CPU).bank(2).numpy(), bank)
    assert not np.array_equal(TrainingData(CONFIG, (), CPU, rank=1).bank(2).numpy(), bank)


def test_the_launch_is_read_from_the_environment() -> None:
    assert Launch.from_environment({}) == Launch(0, 1, 0, 1)
    assert Launch.from_environment(TORCHRUN) == Launch(1, 2, 1, 2)
    for wrong in ({"RANK": "2"}, {"RANK": "one"}, {"LOCAL_RANK": ""}, {"LOCAL_WORLD_SIZE": "3"}, {"WORLD_SIZE": "-2"}):
        with pytest.raises(EngineError, match=r"expected the variables of torchrun, found RANK=.* unset WORLD_SIZE"):
            Launch.from_environment({**TORCHRUN, **wrong})


def test_every_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    second = Processes(Launch(3, 4, 1, 2))
    assert second.device(torch.device("cuda")) == torch.device("cuda:1")
    assert taken == [torch.device("cuda:1")]
    assert second.device(CPU) == CPU
    with pytest.raises(UsageError, match="each takes its own GPU, got cuda:0"):
        second.device(torch.device("cuda:0"))
    with pytest.raises(EngineError, match="got mps; use --device cpu"):
        second.device(torch.device("mps"))
    with pytest.raises(EngineError, match=r"each of the 3 processes on this machine, found 2; .* --nproc-per-node 2"):
        Processes(Launch(0, 3, 0, 3)).device(torch.device("cuda"))
    assert Processes().device(torch.device("cuda:0")) == torch.device("cuda:0")


@pytest.mark.slow
def test_torchrun_trains_and_an_interrupt_saves_before_it_ends(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SETTINGS + "\n")
    run = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "flowcli"]
    command = ["train", "-o", str(run), "--config", str(tmp_path / "small.toml"), "--device", "cpu", "--steps"]
    done = subprocess.run([*launcher, *command, "2"], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(run / name) for name in ("weights.safetensors", "log.jsonl", "curve.png")]
    assert [(row["step"], row["samples"]) for row in read_log(run)] == [(2, 8)]

    with subprocess.Popen([*launcher, *command, "100000", "--resume"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 100
        while len(read_log(run)) < 2:  # a validation every 200 steps
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert said.count("stopping after this step; continue with --resume") == 1
    last = read_log(run)[-1]["step"]
    assert last == torch.load(run / "state.pt", weights_only=True)["step"] > 200
    subprocess.run([sys.executable, "-m", "flowcli", *command, str(int(last) + 1), "--resume"], timeout=60, check=True)
    assert read_log(run)[-1]["samples"] == 4 * last + 2
