"""Print everything that is to be known of flowcli on a GPU: the flow of the CPU, and what it takes.

    python tests/gpu_report.py --json report.json
    python tests/gpu_report.py --device cpu --small     # a dry run, some seconds

First what this machine lacks, a line each; then a table per section: the networks and the steps around them and whole
pairs against the CPU, ms per tile, pair and frame, memory, share of the rate of a large matrix product measured in the
same run, CUDA graphs, torch.compile and transformers in turns with ours, and a video from file to file. A section that
fails does not end the others. The exit code is 0 where everything that has to hold was found to hold, else 1; 2 if
there is nothing to measure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

# As the command line does, before anything imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from gpu_checks.networks import compare_networks, time_networks
from gpu_checks.pairs import compare_pairs, time_pairs
from gpu_checks.setup import Row, Setup, describe_machine, find_lacks, make_folder
from gpu_checks.steps import compare_steps
from gpu_checks.table import format_table
from gpu_checks.video import time_video

from flowcli.errors import EngineError
from flowcli.runtime.device import choose_device

SECTIONS: dict[str, Callable[[Setup], list[Row]]] = {
    "machine": describe_machine,
    "networks": compare_networks,
    "steps": compare_steps,
    "pairs": compare_pairs,
    "tiles": time_networks,
    "frames": time_pairs,
    "video": time_video,
}
CORRECTNESS = ("networks", "steps", "pairs")
"""Sections that have to be done for the exit code to be 0."""


def run_section(section: Callable[[Setup], list[Row]], setup: Setup) -> dict[str, object]:
    """Return a section's rows, seconds, and the error that ended it or None."""
    began = time.perf_counter()
    rows: list[Row] = []
    error: str | None = None
    try:
        with torch.inference_mode():
            rows = section(setup)
    except Exception as fault:
        traceback.print_exc()
        error = f"{type(fault).__name__}: {fault}"
    return {"rows": rows, "seconds": time.perf_counter() - began, "error": error}


def holds(report: dict[str, dict[str, object]]) -> bool:
    """Say whether every section that checks ended, and every row that says so holds."""
    checked = all(report[name]["error"] is None for name in CORRECTNESS if name in report)
    rows = [row for section in report.values() for row in section["rows"]]  # pyright: ignore[reportGeneralTypeIssues]
    return checked and all(row.get("holds", True) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the report; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for a dry run with --small")
    parser.add_argument("--small", action="store_true", help="the least of everything, for a test")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each kind")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    with make_folder() as folder:
        setup = Setup(device, options.small, options.repeats, Path(folder))
        lacks = find_lacks(setup)
        print(*(f"lacks: {lack}" for lack in lacks), sep="\n", flush=True)
        report: dict[str, dict[str, object]] = {}
        for name in options.sections:
            report[name] = result = run_section(SECTIONS[name], setup)
            failure = "" if result["error"] is None else f": FAILED, {result['error']}"
            print(f"\n{name}, {result['seconds']:.1f} s{failure}")
            print(format_table(result["rows"]), flush=True)  # pyright: ignore[reportArgumentType]
            if options.json is not None:
                # After every section: what is known stays known if the next one ends the process.
                whole = {"device": str(device), "lacks": lacks, "correct": holds(report), "sections": report}
                options.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    correct = holds(report)
    print(f"\n{'everything that was checked holds' if correct else 'NOT everything that has to hold does'}")
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
