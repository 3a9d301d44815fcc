"""What is measured, and how: each case in a process of its own, so that its memory is its own. No torch here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from flowcli.errors import EngineError

Rival = Literal["reference", "transformers", "dis"]
RIVALS: tuple[Rival, ...] = ("reference", "transformers", "dis")


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        task: "tile" measures the network's stages on one tile; "pair" a whole pair of frames; "compare" lets the
            network and `rival` take turns, on one tile or (dis) on a pair; "rival" runs the rival alone, for its
            memory; "random" writes random weights of the preset `model` to `path`; "frames" writes `repeats` images
            of a moving pattern into the folder `path`.
        model: name or file of the weights.
        size: (height, width) of the frames of a pair.
        precision: as for `Estimator`.
        device: as for `Estimator`.
        threads: CPU threads; None: torch's choice.
        memory: ceiling of the estimator's buffers in GiB.
        preset: as for `Estimator`; None: the model's own choice.
        kernels: as for `Estimator`.
        repeats: timed runs, or images.
        rival: what to compare with.
        path: where to write random weights or images.
    """

    task: Literal["tile", "pair", "compare", "rival", "random", "frames"]
    model: str
    size: tuple[int, int] | None = None
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    memory: float | None = None
    preset: str | None = None
    kernels: str = "auto"
    repeats: int = 3
    rival: Rival | None = None
    path: str | None = None

    def to_json(self) -> str:
        """Return the case as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        """Rebuild from `to_json`."""
        values = json.loads(text)
        values["size"] = values["size"] and tuple(values["size"])
        return cls(**values)


def run_case(case: Case) -> dict[str, object]:
    """Run a case in a new process and return its results, plain values.

    Raises:
        EngineError: with the message of the process, if it failed.
    """
    command = [sys.executable, "-m", "flowcli.benchmark.child", case.to_json()]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode:
        # The last line of a failure says what it was: ours is one line, Python's traceback ends with it.
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EngineError(f"benchmark of {case.model} ({case.task}): {reason.removeprefix('flowcli: ')}")
    return json.loads(lines[-1])
