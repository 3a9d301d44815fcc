import subprocess
import sys
from contextlib import ExitStack

import pytest

from flowcli.errors import OutputError
from flowcli.jobs.lock import hold_folder
from flowcli.jobs.shard import Shard

HOLD = """
import sys, time
from pathlib import Path
from flowcli.jobs.lock import hold_folder
with hold_folder(Path("out"), Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("flowcli.jobs.lock.PATIENCE", 0.05)


def test_a_second_process_is_told_who_holds_the_folder_until_that_one_dies(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=f"another batch is writing there \\(process {process.pid} on "),
            hold_folder(tmp_path, tmp_path),
        ):
            pass
    finally:
        process.kill()
        process.communicate()
    with hold_folder(tmp_path, tmp_path):
        assert (tmp_path / "lock").exists()


def test_the_lock_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with hold_folder(tmp_path, tmp_path):
            pass


def test_a_lock_that_cannot_be_made(tmp_path):
    with pytest.raises(OutputError, match="cannot be made"), hold_folder(tmp_path, tmp_path / "nowhere"):
        pass


def test_all_parts_of_one_batch_may_hold_it_at_once(tmp_path):
    with ExitStack() as stack:
        for number in (1, 2, 3):
            stack.enter_context(hold_folder(tmp_path, tmp_path, Shard(number, 3), "plan"))


@pytest.mark.parametrize(
    ("shard", "plan", "reason"),
    [
        (Shard(1, 2), "plan", "another batch is writing there"),
        (Shard(1, 3), "plan", "another batch is writing there"),
        (Shard(), "plan", "another batch is writing there"),
        (Shard(2, 2), "other", "another part of 2 is at work there on other inputs .* give all parts the same inputs"),
    ],
)
def test_everybody_else_is_refused(tmp_path, shard, plan, reason):
    with (
        hold_folder(tmp_path, tmp_path, Shard(1, 2), "plan"),
        pytest.raises(OutputError, match=reason),
        hold_folder(tmp_path, tmp_path, shard, plan),
    ):
        pass
    # Free, although the lock files of the other are still there, with another plan in them.
    with hold_folder(tmp_path, tmp_path, shard, plan):
        pass


def test_a_part_is_refused_while_the_whole_batch_runs(tmp_path):
    with (
        hold_folder(tmp_path, tmp_path, Shard(), "plan"),
        pytest.raises(OutputError, match="another batch is writing there"),
        hold_folder(tmp_path, tmp_path, Shard(2, 2), "plan"),
    ):
        pass


def test_someone_who_looks_at_a_lock_for_an_instant_is_waited_for(tmp_path, monkeypatch):
    import flowcli.jobs.lock as module

    monkeypatch.setattr(module, "PATIENCE", 5)
    answers = iter([False, False, True])
    monkeypatch.setattr(module, "_lock_now", lambda _: next(answers))
    with hold_folder(tmp_path, tmp_path):
        assert next(answers, None) is None
