"""The process of one contestant: `python -m flowcli.suite.worker CONTESTANT THREADS DEVICE` answers requests on stdin.

Each is a line of JSON, {"pair": FILE} for a pair of `material`, or {"list": FILE, "index": K} for one of a list of
pairs with truth. The answer is a line with seconds, CPU-seconds, the memory held at the peak so far and, where the flow
is known, errors. Reading and measuring are not timed.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np

from flowcli.benchmark.figures import peak_resident
from flowcli.errors import FlowcliError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import measure
from flowcli.flow import FlowField, Frame
from flowcli.methods import FlowMethod, build_method
from flowcli.options import EstimatorOptions
from flowcli.suite.contestants import OPENCV, TRANSFORMERS, Contestant

FIGURES = ("epe", "px3")
"""Keys of METRICS: mean endpoint error in pixels, and the share of pixels beyond 3 px in per cent."""


def build(contestant: Contestant, threads: int | None, device: str) -> FlowMethod:
    """Build a contestant's method; OpenCV's own without torch, whose memory would count as theirs."""
    if contestant.model in OPENCV:
        import cv2

        if threads is not None:
            cv2.setNumThreads(threads)
        return build_method(EstimatorOptions(contestant.model))
    from flowcli.runtime.process import configure_process

    configure_process(threads)
    if contestant.name == TRANSFORMERS:
        from flowcli.suite.transformers_method import TransformersMethod

        return TransformersMethod(contestant.model, device)
    return build_method(EstimatorOptions(contestant.model, preset=contestant.preset, threads=threads, device=device))


@cache
def _read_list(path: str) -> list[LabelledPair]:
    from flowcli.evaluation.pair_list import read_pair_list

    return read_pair_list(Path(path))


def _read(request: dict[str, str | int]) -> tuple[Frame, Frame, FlowField | None, int]:
    if "list" in request:
        pair = _read_list(str(request["list"]))[int(request["index"])]
        frame1, frame2 = pair.read_frames()
        return frame1, frame2, pair.read_truth(), pair.truth_factor
    with np.load(str(request["pair"])) as arrays:
        truth = FlowField(arrays["flow"]) if "flow" in arrays else None
        return arrays["frame1"], arrays["frame2"], truth, 1


def answer(method: FlowMethod, request: dict[str, str | int]) -> dict[str, object]:
    """Do one request."""
    frame1, frame2, truth, factor = _read(request)
    wall, cpu = time.perf_counter(), time.process_time()
    (flow,) = method.estimate([(frame1, frame2)])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    told: dict[str, object] = {"seconds": wall, "cpu_seconds": cpu, "peak_gib": _peak(method) / 2**30}
    if truth is not None:
        errors = measure(flow, truth, truth_factor=factor)
        told |= {key: errors.value(key) for key in FIGURES}
    return told


def _peak(method: FlowMethod) -> int:
    device = getattr(getattr(method, "network", None), "device", None)
    if device is None or device.type == "cpu":
        return peak_resident()
    from flowcli.benchmark.clock import peak_memory

    return peak_memory(device)


def main() -> None:
    """Answer until stdin ends; a FlowcliError becomes one line on stderr."""
    try:
        threads = None if sys.argv[2] == "-" else int(sys.argv[2])
        method = build(Contestant.from_json(sys.argv[1]), threads, sys.argv[3])
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(method, json.loads(line)), allow_nan=False), flush=True)
    except FlowcliError as error:
        sys.exit(f"flowcli: {error}")


if __name__ == "__main__":
    main()
