"""How much memory reading a file takes, measured in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# VmHWM, not ru_maxrss: that one begins with what the parent had.
_CODE = """
import sys
from flowcli.errors import FormatError
from {module} import {function} as read
try:
    size = read(sys.argv[1]).{size}
except FormatError as error:
    size = error
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024, size, sep="\\n")
"""


@pytest.fixture
def peak_memory():
    """peak_memory(path, "flow" or "image") -> (MiB at the most, size or message)."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from /proc")

    def measure(path, kind):
        parts = {"flow": ("flowcli.io.flow", "read_flow", "size"), "image": ("flowcli.io.image", "read_image", "shape")}
        module, function, size = parts[kind]
        code = _CODE.format(module=module, function=function, size=size)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, env=environment
        )
        peak, result = done.stdout.split("\n", 1)
        return float(peak), result.strip()

    return measure
