import subprocess
import sys

import pytest

from flowcli.errors import OutputError
from flowcli.jobs.lock import hold_folder

HOLD = """
import sys, time
from pathlib import Path
from flowcli.jobs.lock import hold_folder
with hold_folder(Path("out"), Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_folder_until_that_one_dies(tmp_path):
    lock = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=f"another batch is writing there \\(process {process.pid}\\)"),
            hold_folder(tmp_path, lock),
        ):
            pass
    finally:
        process.kill()
        process.communicate()
    with hold_folder(tmp_path, lock):
        assert lock.exists()


def test_the_lock_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with hold_folder(tmp_path, tmp_path / "lock"):
            pass


def test_two_in_one_process_exclude_each_other_too(tmp_path):
    with (
        hold_folder(tmp_path, tmp_path / "lock"),
        pytest.raises(OutputError, match="another batch"),
        hold_folder(tmp_path, tmp_path / "lock"),
    ):
        pass


def test_a_lock_that_cannot_be_made(tmp_path):
    with pytest.raises(OutputError, match="cannot be made"), hold_folder(tmp_path, tmp_path / "nowhere" / "lock"):
        pass
