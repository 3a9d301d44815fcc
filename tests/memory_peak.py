"""How much memory a piece of work takes at its peak, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys
from pathlib import Path

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

{before}
start = peak()
try:
    {work}
    outcome = "done"
except Exception as error:
    outcome = f"{{type(error).__name__}}: {{error}}"
print(peak() - start, outcome)
"""


def measure_peak(before: str, work: str, *arguments: str | Path) -> tuple[int, str]:
    """Run two pieces of Python; return by how many bytes the second one raised the peak, and how it ended.

    Args:
        before: statements, such as imports, that are not measured.
        work: one statement.
        arguments: what both find in `sys.argv[1:]`.
    """
    program = _PROGRAM.format(before=before, work=work)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak, _, outcome = output.strip().partition(" ")
    return int(peak), outcome
