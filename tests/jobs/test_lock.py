import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from flowcli.errors import OutputError
from flowcli.jobs.lock import hold_folder
from flowcli.jobs.shard import Shard

HOLD = """
import fcntl, sys, time
from pathlib import Path
code = int(sys.argv[2])
def flock(*_):
    raise OSError(code, "no locks here")
if code:
    fcntl.flock = flock
from flowcli.jobs.lock import hold_folder
with hold_folder(Path("out"), Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


NO_LOCKS = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("flowcli.jobs.lock.PATIENCE", 0.05)


@pytest.fixture(autouse=True, params=[0, *NO_LOCKS], ids=lambda code: errno.errorcode.get(code, "locks"))
def refusal(request, monkeypatch):
    """What `flock` answers, 0 where it works: every test holds on file systems without locks too."""

    def flock(*_):
        raise OSError(request.param, os.strerror(request.param))

    if request.param:
        monkeypatch.setattr(fcntl, "flock", flock)
    return request.param


def test_a_second_process_is_told_who_holds_the_folder_until_that_one_dies(tmp_path, refusal):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), str(refusal)], stdout=subprocess.PIPE, text=True
    )
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
    monkeypatch.setattr(module, "lock_descriptor", lambda descriptor, blocking: next(answers))
    with hold_folder(tmp_path, tmp_path):
        assert next(answers, None) is None


def test_it_is_said_once_that_a_file_system_cannot_lock(tmp_path, refusal):
    notes = []
    with hold_folder(tmp_path / "out", tmp_path, notify=notes.append):
        assert (tmp_path / "marker").exists() == bool(refusal)
    found = f"{tmp_path / 'out'}: this file system can't lock; {tmp_path / 'marker'} keeps other batches out instead"
    assert notes == ([found] if refusal else [])
    assert not (tmp_path / "marker").exists()


def test_the_marker_of_another_machine_stays_and_is_named(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / "marker").write_text("123\nanother-machine\n")
    with (
        pytest.raises(
            OutputError, match=r"another batch is writing there; wait .*if that process is gone, remove .*marker"
        ),
        hold_folder(tmp_path, tmp_path),
    ):
        pass
    assert (tmp_path / "marker").exists()


def test_another_error_of_the_lock_is_one_line(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputError, match="lock: cannot be made: Input/output error"), hold_folder(tmp_path, tmp_path):
        pass
