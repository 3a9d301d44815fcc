"""Ranges of the numbers that commands take: beyond them no machine goes, and libraries end the process."""

from __future__ import annotations

from collections.abc import Callable

from flowcli.errors import UsageError
from flowcli.options import MOST_THREADS, RANGES

MOST_JOBS = 1024
MOST_SEED = 2**63 - 1


def within(option: str, least: float, most: float, expected: str) -> Callable[[float | None], float | None]:
    """Return the callback of an option that raises UsageError for a number out of range, NaN included."""

    def check(value: float | None) -> float | None:
        if value is None or least <= value <= most:
            return value
        raise UsageError(f"{option}: expected {expected}, got {value}")

    return check


check_jobs = within("--jobs", 1, MOST_JOBS, f"a number of processes from 1 to {MOST_JOBS}")
check_memory = within("--memory", *RANGES["memory"], "GiB as a number greater than 0, such as 2 or 0.5")
check_seed = within("--seed", 0, MOST_SEED, f"a number from 0 to {MOST_SEED} (63 bits)")
check_threads = within("--threads", 1, MOST_THREADS, f"a number of threads from 1 to {MOST_THREADS}")
