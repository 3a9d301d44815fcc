"""Several parts of one batch in one folder."""

import threading
from contextlib import closing
from functools import partial

import pytest

from flowcli.errors import OutputError
from flowcli.estimator import Estimator
from flowcli.io.frames import Selection
from flowcli.jobs.batch import Batch
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.settings import BatchSettings
from flowcli.jobs.shard import WHOLE, Shard
from flowcli.output.writer import Appearance

SETTINGS = BatchSettings(".flo", ".flo", ".mp4", look=Appearance(scale=5.0))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("flowcli.jobs.lock.PATIENCE", 0.1)


@pytest.fixture
def folders(make_folder, tmp_path):
    """a with 39 pairs, b, c and d with 2."""
    make_folder("in/a", 40)
    for name in "bcd":
        make_folder(f"in/{name}", 3, first=ord(name))
    return tmp_path / "in"


@pytest.fixture
def start(folders, tmp_path, mean_flow):
    """start(shard, method) -> the batch and its events, not begun."""

    def start(shard=WHOLE, method=None, output="out", settings=SETTINGS, inputs=None, overwrite=False):
        estimator = Estimator(method or mean_flow())
        items = plan_batch([str(inputs or folders)], tmp_path / output)
        batch = Batch(items, settings, tmp_path / output, estimator.settings, shard)
        return batch, batch.run(partial(run_here, estimator=estimator), lambda _: 1, overwrite=overwrite)

    return start


@pytest.fixture
def run(start):
    """run(...) -> the names of the items that were done, and of those that were done before."""

    def run(*arguments, **options):
        batch, events = start(*arguments, **options)
        with closing(events):
            for _ in events:
                pass
        assert all(outcome.fault is None for outcome in batch.outcomes)
        done = [outcome.name for outcome in batch.outcomes if not outcome.skipped]
        return done, [outcome.name for outcome in batch.outcomes if outcome.skipped]

    return run


def results(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".flowcli" not in path.parts
    }


def test_two_parts_at_once_give_what_one_run_gives(run, tmp_path):
    run(output="reference")
    done, errors = {}, []

    def part(number):
        try:
            done[number] = run(Shard(number, 2))[0]
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=part, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert done == {1: ["a", "c"], 2: ["b", "d"]}
    assert results(tmp_path / "out") == results(tmp_path / "reference")


def test_a_part_leaves_the_files_alone_that_another_is_writing(run, start, tmp_path):
    _, events = start(Shard(1, 2))
    with closing(events):
        for _ in range(5):
            next(events)
        mine = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
        foreign = tmp_path / "out" / ".flowcli-1-of-2.00aa.mp4"
        leftovers = [tmp_path / "out" / f".flowcli-{name}" for name in ("2-of-2.00aa.flo", "3-of-4.0a.flo", "0a.flo")]
        for path in (foreign, *leftovers):
            path.write_bytes(b"half")
        assert run(Shard(2, 2))[0] == ["b", "d"]
        assert mine <= {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
        assert foreign.exists()
        assert not any(path.exists() for path in leftovers)
        for _ in events:
            pass
    assert run() == ([], ["a", "b", "c", "d"])
    assert not foreign.exists()


def test_other_parts_know_what_is_done(run):
    assert run(Shard(1, 4)) == (["a"], [])
    assert run(Shard(1, 2)) == (["c"], ["a"])
    assert run() == (["b", "d"], ["a", "c"])
    assert run(Shard(2, 3)) == ([], ["b"])


def test_another_part_continues_in_the_middle_of_an_item(run, start, tmp_path, mean_flow):
    run(output="reference")
    _, events = start(Shard(1, 2))
    with closing(events):
        # The start, the first 16 pairs, that they are done, and some more.
        for _ in range(20):
            next(events)
    method = mean_flow()
    _, events = start(Shard(1, 3), method)
    with closing(events):
        for _ in range(20):
            next(events)
    assert method.pairs <= 23
    method = mean_flow()
    run(method=method)
    assert method.pairs == 39 - 32 + 3 * 2
    assert results(tmp_path / "out") == results(tmp_path / "reference")


def test_the_latest_run_counts_whichever_part_it_was(run, mean_flow):
    settings = BatchSettings(".flo", ".flo", None)
    other = BatchSettings(".flo", ".flo", None, selection=Selection(stride=2))
    assert run(settings=settings) == (["a", "b", "c", "d"], [])
    with pytest.raises(OutputError, match=r"2 results would change, made with other settings \(stride\)"):
        run(Shard(1, 2), settings=other)
    assert run(Shard(1, 2), settings=other, overwrite=True) == (["a", "c"], [])
    # The files of the first run have been replaced: that it once did them is no longer true.
    with pytest.raises(OutputError, match="2 results would change"):
        run(settings=settings)
    assert run(settings=settings, overwrite=True) == (["a", "c"], ["b", "d"])
    assert run(Shard(1, 2), settings=settings) == ([], ["a", "c"])


def test_parts_with_other_inputs_are_refused(start, run, make_folder, folders):
    _, events = start(Shard(1, 2))
    with closing(events):
        next(events)
        make_folder("in/0", 3)
        with pytest.raises(OutputError, match="another part of 2 is at work there on other inputs"):
            run(Shard(2, 2))
        with pytest.raises(OutputError, match="another batch is writing there"):
            run()


def test_a_part_may_be_empty(run):
    assert run(Shard(9, 9)) == ([], [])
