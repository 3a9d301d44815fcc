"""What is said of several runs, and how much memory a process has held. No torch here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(slower: Sequence[float], faster: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios of runs that took place side by side."""
    return spread([a / b for a, b in zip(slower, faster, strict=True)])


def peak_resident() -> int:
    """Return the most memory that was resident in this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: there, a child's peak starts with what its parent held.
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
