"""One of two training processes, as torchrun would start them: `RANK=0 ... python one_of_two.py FOLDER PORT...`.

Goes through every scenario of test_distributed.py in one process, because importing torch takes longer than all of
them, and leaves what it saw in FOLDER/rankN.json and FOLDER/rankN.pt.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from flowcli.cli.app import app
from flowcli.errors import FlowcliError, OutputError
from flowcli.jobs import local
from flowcli.model.config import COMPACT
from flowcli.training import loop
from flowcli.training.config import TrainingConfig
from flowcli.training.distributed import Launch, join
from flowcli.training.state import TrainingState

SMALL = replace(
    COMPACT, tile=(16, 20), features=12, position_bands=4, latents=6, latent_width=16, layers=1, heads=2,
    decoder_width=8, pixel_width=8,
)  # fmt: skip
CONFIG = TrainingConfig(
    model=SMALL,
    steps=3,
    batch=2,
    warmup=1,
    widening=2,
    textures=2,
    bank_steps=2,
    second_pass=0.5,
    validate_every=2,
    save_every=2,
)
SETTINGS = """batch = 2
textures = 2
[model]
tile = [16, 20]
features = 12
position_bands = 4
latents = 6
latent_width = 16
layers = 1
heads = 2
decoder_width = 8
pixel_width = 8
"""


def failure_of(call: Callable[[], object]) -> str:
    """Return the kind and the message of the error that a call ends with."""
    try:
        call()
    except (FlowcliError, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def run_command(folder: Path) -> dict[str, str]:
    """Run `flowcli train` in this process; returns how it ended and what it wrote."""
    arguments = ["train", "-o", str(folder / "command"), "--config", str(folder / "small.toml")]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        end = failure_of(lambda: app([*arguments, "--device", "cpu", "--steps", "1"]))
    return {"end": end, "stdout": out.getvalue(), "stderr": err.getvalue()}


def main(folder: Path, ports: list[str]) -> None:
    """Run the scenarios; the last one ends process 1 without a word."""
    launch = Launch.from_environment(os.environ)
    rank, seen = launch.rank, {}
    states: list[TrainingState] = []
    update = loop.update

    def remembering_update(state: TrainingState) -> None:
        states.append(state)
        update(state)

    loop.update = remembering_update
    loop.VALIDATION_BATCHES = 1
    with join(launch) as processes:

        def train(name: str, **options) -> list[Path]:
            return loop.train(CONFIG, folder / name, processes=processes, **options)

        seen["results"] = [path.name for path in train("whole")]
        torch.save(states[-1].model.state_dict(), folder / f"rank{rank}.pt")

        # Only process 1 wants to stop, after two steps; a copy of what it leaves is resumed by the test.
        asked = iter(range(9))
        train("stopped", stop=lambda: next(asked) == 1 and rank == 1)
        seen["stopped"] = states[-1].step
        if rank == 0:
            (folder / "alone").mkdir()
            (folder / "alone" / "state.pt").write_bytes((folder / "stopped" / "state.pt").read_bytes())
        train("stopped", resume=True)
        seen["resumed"] = all(
            torch.equal(value, states[0].model.state_dict()[name])
            for name, value in states[-1].model.state_dict().items()
        )

        def full_disk(row: dict[str, float]) -> None:
            raise OutputError("the disk is full")

        seen["full"] = failure_of(lambda: train("full", report=full_disk))
        seen["nothing"] = failure_of(lambda: train("nothing", resume=True))
        seen["unequal"] = failure_of(lambda: processes.require_equal({"batch": 4, "steps": 3 + rank}))

    local.count_cores = lambda: 4
    os.environ["MASTER_PORT"] = ports[0]
    seen["command"] = run_command(folder)
    seen["threads"] = torch.get_num_threads()
    os.environ["MASTER_PORT"] = ports[1]
    seen["again"] = run_command(folder)

    os.environ["MASTER_PORT"] = ports[2]
    with join(launch) as processes:

        def vanish() -> bool:
            if rank == 1:
                (folder / "rank1.json").write_text(json.dumps(seen))
                os._exit(9)
            return False

        seen["lost"] = failure_of(lambda: loop.train(CONFIG, folder / "lost", stop=vanish, processes=processes))
    (folder / "rank0.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
