"""A disk that is full, from the first byte or from some moment on: one line, nothing half-written, and on it goes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from batch_runs import results

# A disk of its own each: .ci/run has them, the default run has not.
pytestmark = pytest.mark.slow


def test_a_disk_that_fills_up_is_told_and_the_next_run_goes_on(run, mean_flow, tmp_path, monkeypatch):
    left = [20]
    write = Path.write_bytes

    def full(path, data):
        left[0] -= 1
        if left[0] < 0:
            write(path, data[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        batch = run()
    assert [outcome.fault.split("/")[-1] for outcome in batch.outcomes] == [
        "f020.flo: cannot be written: No space left on device",
        "f007.flo: cannot be written: No space left on device",
    ]
    assert not list((tmp_path / "out").rglob(".flowcli-*"))
    estimator = mean_flow()
    run(estimator)
    # The first part was complete.
    assert estimator.pairs == 48 - 16
    run(output="reference")
    assert results(tmp_path / "out") == results(tmp_path / "reference")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("batch in -o out -v mp4", "out/.flowcli/lock: cannot be made: File too large"),
        ("estimate in -v x.mp4", "x.mp4: cannot be written: File too large"),
        ("estimate in -v x.gif", "x.gif: cannot be written: File too large"),
        ("estimate in/f000.png in/f001.png -o x.flo", "x.flo: cannot be written: File too large"),
    ],
)
def test_no_byte_can_be_written(make_folder, tmp_path, command, said):
    """With a limit of 0 on the size of files, which the system enforces, for encoders too."""
    make_folder("in", 4)
    line = f'ulimit -f 0; exec "{sys.executable}" -m flowcli {command} --model zero'
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, f"flowcli: {said}\n")
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size and path.suffix != ".png"
    ]
