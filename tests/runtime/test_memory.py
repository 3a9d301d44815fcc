from __future__ import annotations

import platform
import subprocess
import sys

from flowcli.runtime.memory import keep_freed_memory

# Resident memory in MiB while arrays of 256 MiB are there, after that, and after what is free was given back.
SCRIPT = """
import numpy as np
from flowcli.runtime.memory import keep_freed_memory, return_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) / 256
{}
before = resident()
array = [np.ones(2**22) for _ in range(8)]
held = resident()
del array
after = resident()
assert not return_freed_memory((1024, 2048))  # too small to matter
assert return_freed_memory((2048, 2048))
print(held - before, after - before, resident() - before)
"""


def measure(setting: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(setting)], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_freed_arrays_stay_with_the_process_where_the_library_can_be_told() -> None:
    told = keep_freed_memory()
    assert told == (platform.libc_ver()[0] == "glibc")
    if told:
        for setting, least, most in (("", 0, 64), ("keep_freed_memory()", 200, 300)):
            held, after, returned = measure(setting)
            assert held > 200
            assert least <= after < most
            assert returned < 64
