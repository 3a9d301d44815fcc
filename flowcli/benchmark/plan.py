"""Which cases a benchmark consists of, and the report made of their results."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from flowcli import __version__
from flowcli.benchmark.cases import Case, Rival, run_case
from flowcli.checkpoints.store import locate
from flowcli.errors import InputError, WeightsError

# Networks whose shape is known without their weights.
PRESETS = ("compact", "perceiver-io")
Results = dict[str, object]


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        models: names or files of weights; a preset whose weights are not on this machine gets random ones.
        sizes: (height, width) of whole pairs; a tile is always measured.
        precisions: as for `Estimator`.
        rival: what to compare with, or None.
        device: as for `Estimator`.
        threads: CPU threads; None: torch's choice.
        memory: ceiling of the estimator's buffers in GiB.
        repeats: timed runs of each case.
        presets: as for `Estimator`; every pair is measured with each.
        kernels: as for `Estimator`.
    """

    models: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    precisions: Sequence[str] = ("auto",)
    rival: Rival | None = None
    device: str = "auto"
    threads: int | None = None
    memory: float | None = None
    repeats: int = 3
    presets: Sequence[str | None] = (None,)
    kernels: Sequence[str] = ("auto",)


def run_benchmark(
    request: Request,
    announce: Callable[[str], None] = lambda text: None,
    run: Callable[[Case], Results] = run_case,
) -> dict[str, object]:
    """Run all cases of a request, one after the other.

    Args:
        request: what to measure.
        announce: is told of each case before it runs.
        run: runs one case.

    Returns:
        Plain values: "machine", and lists of results "tiles", "pairs" and "comparisons".

    Raises:
        InputError: if there is nothing to compare with.
        WeightsError: if weights are neither on this machine nor of a preset.
        EngineError: if a case fails.
    """
    if request.rival == "dis" and not request.sizes:
        raise InputError("expected a frame size for --against dis, found none; add --size WxH")
    report: dict[str, list[Results]] = {"tiles": [], "pairs": [], "comparisons": []}
    with TemporaryDirectory(prefix="flowcli-bench-") as folder:
        for name in request.models:
            origin, weights = find_weights(name, Path(folder), announce, run)
            for precision, kernels in product(request.precisions, request.kernels):
                case = Case(
                    "tile",
                    weights,
                    precision=precision,
                    kernels=kernels,
                    device=request.device,
                    threads=request.threads,
                    memory=request.memory,
                    repeats=request.repeats,
                    rival=request.rival,
                )
                labels: Results = {"model": name, "weights": origin}
                how = precision if kernels == "auto" else f"{precision} {kernels}"
                announce(f"{name} {how}: one tile")
                report["tiles"].append({**run(case), **labels})
                for size in request.sizes:
                    for preset in request.presets:
                        announce(f"{name} {how}{f' {preset}' if preset else ''}: a pair of {size[1]}x{size[0]}")
                        report["pairs"].append(
                            {**run(replace(case, task="pair", size=size, preset=preset)), **labels, "preset": preset}
                        )
                for size in _compared_sizes(request):
                    announce(f"{name} {how}: against {request.rival}")
                    compared = replace(case, task="compare", size=size)
                    alone = run(replace(compared, task="rival"))
                    report["comparisons"].append(
                        {**run(compared), **labels, "precision": precision, "rival_peak_gib": alone["peak_gib"]}
                    )
    return {"machine": describe_machine(), **report}


def _compared_sizes(request: Request) -> Sequence[tuple[int, int] | None]:
    if request.rival is None:
        return ()
    return request.sizes if request.rival == "dis" else (None,)


def find_weights(
    name: str, folder: Path, announce: Callable[[str], None], run: Callable[[Case], Results] = run_case
) -> tuple[str, str]:
    """Return what the weights of a network are, "own" or "random", and their file.

    Args:
        name: or file of the weights.
        folder: for random weights, where those of a preset are not on this machine.
        announce: is told of that.
        run: runs one case.

    Raises:
        WeightsError: they are not on this machine, and of no preset.
    """
    try:
        return "own", str(locate(name))
    except WeightsError:
        if name not in PRESETS:
            raise
    announce(f"{name}: its weights are not on this machine; random ones take the same time")
    path = folder / f"{name}.safetensors"
    run(Case("random", name, path=str(path)))
    return "random", str(path)


def describe_machine() -> dict[str, object]:
    """Return what the figures depend on, plain values."""
    return {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "flowcli": __version__,
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
