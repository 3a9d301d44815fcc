"""`python -m fuzz`, from the folder tests: hostile files for every reader of flowcli.

    python -m fuzz --inputs 20000 --seed 1                 all targets; exit code 1 if one input ended badly
    python -m fuzz --inputs 1000000 --jobs 2 --minutes 60  as many as an hour allows
    python -m fuzz --target png --target jpeg --inputs 9000
    python -m fuzz --target png --replay FILE              one file, and how it ends
    python -m fuzz --target png --row FILE                 the same file as a row for regressions.py
    python -m fuzz --list                                  the targets and their seeds

The same seed gives the same inputs. An input may end in two ways: it is accepted, or it is refused with flowcli's own
error, in one line that names the file. Everything else is counted and kept:

    wrong    a file that is as it should be is refused, or read to something else
    foreign  another exception, a message that is not one line with the file's name, or text on stdout
    crash    the process died
    hang     10 s of processor time, or 120 s by the clock
    memory   more than the frame needs plus 256 MiB
    noisy    stderr was written to by a library; not a failure
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from fuzz.campaign import BAD, Campaign, read_alone
from fuzz.regressions import format_row
from fuzz.report import Findings, format_table
from fuzz.target import Target
from fuzz.targets import TARGETS
from fuzz.worker import Limits


def main() -> int:
    """Run the command line; returns the exit code."""
    options = _parse()
    # A processor for each worker, not for each thread of each worker.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    targets = [TARGETS[name] for name in options.target] or list(TARGETS.values())
    limits = Limits(options.seconds, int(options.memory * 2**30))
    if options.list:
        for target in targets:
            print(f"{target.name} (*{target.suffix}): {', '.join(seed.name for seed in target.make_seeds())}")
        return 0
    if options.row:
        data = options.row.read_bytes()
        print(format_row(targets[0].name, read_alone(targets[0], data, limits).detail, data))
        return 0
    if options.replay:
        return _replay(targets, options.replay, limits)
    return _campaign(targets, limits, options)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=20_000, metavar="N", help="of all targets together")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first input of each target")
    parser.add_argument("--target", action="append", default=[], choices=TARGETS, metavar="T", help="repeatable")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="J", help="worker processes")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so long")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="of processor time for one input")
    parser.add_argument("--memory", type=float, default=Limits.memory / 2**30, help="GiB that guard the machine")
    parser.add_argument(
        "--failures", type=Path, default=Path("fuzz-failures"), metavar="DIR", help="for failing inputs"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read this file with the one --target")
    parser.add_argument(
        "--row", type=Path, metavar="FILE", help="print this file, of the one --target, as a regression"
    )
    parser.add_argument("--list", action="store_true", help="print the targets and their seeds")
    options = parser.parse_args()
    if (options.replay or options.row) and len(options.target) != 1:
        parser.error("--replay and --row need one --target")
    return options


def _replay(targets: list[Target], path: Path, limits: Limits) -> int:
    verdict = read_alone(targets[0], path.read_bytes(), limits)
    print(f"{verdict.kind}: {verdict.detail}" if verdict.detail else verdict.kind)
    if verdict.noise:
        print(f"stderr: {verdict.noise}")
    return int(verdict.kind in BAD)


def _campaign(targets: list[Target], limits: Limits, options: argparse.Namespace) -> int:
    deadline = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    campaign = Campaign(targets, options.seed, limits, options.jobs)
    findings = Findings(options.failures)
    for number in (signal.SIGINT, signal.SIGTERM):  # also in the background of a script, which ignores the first
        signal.signal(number, signal.default_int_handler)
    try:
        for finding in campaign.run(
            options.inputs, options.first, lambda: deadline is not None and time.monotonic() > deadline
        ):
            if findings.wants(finding):
                command = f"python -m fuzz --target {finding.target.name} --replay {{path}}"
                line = findings.keep(finding, campaign.data(finding), command)
                if finding.verdict.kind in BAD:
                    print(line, flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    print()
    print(format_table(campaign.tallies))
    if summary := findings.summary():
        print(f"\n{summary}")
    bad = sum(sum(tally.bad.values()) for tally in campaign.tallies.values())
    if bad:
        print(f"\n{bad} of the inputs ended badly; they are in {shlex.quote(str(options.failures))}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
