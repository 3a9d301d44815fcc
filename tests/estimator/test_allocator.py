from __future__ import annotations

import platform
import subprocess
import sys

from flowcli.estimator.allocator import keep_freed_memory

# Resident memory in MiB before, while and after an array of 256 MiB was there.
SCRIPT = """
import numpy as np
from flowcli.estimator.allocator import keep_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) / 256
{}
before = resident()
array = np.ones(2**25)
held = resident()
del array
print(held - before, resident() - before)
"""


def measure(setting: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(setting)], capture_output=True, text=True, check=True)
    held, after = map(float, done.stdout.split())
    return held, after


def test_freed_arrays_stay_with_the_process_where_the_library_can_be_told() -> None:
    told = keep_freed_memory()
    assert told == (platform.libc_ver()[0] == "glibc")
    if told:
        for setting, least, most in (("", 0, 64), ("keep_freed_memory()", 200, 300)):
            held, after = measure(setting)
            assert held > 200
            assert least <= after < most
