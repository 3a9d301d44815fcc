"""Calls on workers that are generators in this process, killed wherever chance has it: no cluster, every order."""

import random
from dataclasses import replace
from functools import partial

import pytest
from batch_runs import SETTINGS, results

from flowcli.estimator import Estimator
from flowcli.io.video.damage import Met
from flowcli.jobs.batch import Batch
from flowcli.jobs.crew import Lost, run_in_crew
from flowcli.jobs.faults import Failed
from flowcli.jobs.item import work_item
from flowcli.jobs.job import Ended, Interrupted, Left, PartDone, Started
from flowcli.jobs.local import run_here
from flowcli.jobs.plan import plan_batch
from flowcli.jobs.schedule import LOSSES, SPAN, TRIES, Schedule


class Generators:
    """A Crew of so many workers, each of which is killed with a probability at every step.

    Attributes:
        calls: the parts that were asked for, by item.
        deaths: how many there were.
    """

    def __init__(self, estimator, number, seed, killed=0.0, killer=None):
        self._estimator, self._number, self._killed, self._killer = estimator, number, killed, killer
        self._random = random.Random(seed)
        self._running = {}
        self.calls, self.deaths, self.most = [], 0, 0

    def prepare(self, jobs):
        pass

    def give(self, call):
        if len(self._running) == self._number:
            return False
        self.calls.append((call.name, call.job.span))
        self._running[call] = work_item(call.job, self._estimator)
        self.most = max(self.most, len(self._running))
        return True

    def hear(self, waiting):
        call = self._random.choice(list(self._running))
        if call.name == self._killer or self._random.random() < self._killed:
            self._running.pop(call).close()
            self.deaths += 1
            return [(call, Lost("killed", machine=call.name != self._killer))]
        try:
            event = next(self._running[call])
        except StopIteration:
            del self._running[call]
            return []
        except Exception as error:
            event = Failed.by(error)
        return [(call, [event])]


@pytest.fixture
def batch(make_folder, mean_flow, tmp_path):
    """batch(output, crew=None) -> the Batch after its end, of one long item and four short ones."""
    make_folder("in/long", 16 * 6 + 5)
    for number, length in enumerate((17, 2, 9)):
        make_folder(f"in/short{number}", length, first=number + 1)

    def run(output, crew=None, prepare=lambda: None):
        estimator = Estimator(mean_flow())
        work = Batch(
            plan_batch([str(tmp_path / "in")], tmp_path / output), SETTINGS, tmp_path / output, {"model": "mean"}
        )
        prepare()
        engine = partial(run_here, estimator=estimator) if crew is None else partial(run_in_crew, crew=crew)
        for _ in work.run(engine, lambda item: 0, overwrite=False):
            assert work.done <= 10**6
        return work

    return run


def outcomes(work):
    return {outcome.name: (outcome.fault, outcome.pairs) for outcome in work.outcomes}


@pytest.mark.parametrize(("workers", "killed"), [(1, 0), (3, 0.02), (5, 0.03)])
def test_workers_and_their_deaths_change_nothing(batch, mean_flow, tmp_path, workers, killed):
    here = batch("here")
    crew = Generators(Estimator(mean_flow()), workers, seed=workers, killed=killed)
    there = batch("there", crew)
    assert outcomes(there) == outcomes(here)
    assert there.done == there.total == here.done
    assert results(tmp_path / "there") == results(tmp_path / "here")
    assert (crew.deaths > 0) == (killed > 0)
    assert crew.most == workers
    assert all(span is not None and len(span) <= SPAN for _, span in crew.calls)


@pytest.mark.parametrize("again", [None, 1])
def test_what_a_worker_wrote_before_it_was_heard_is_of_the_batch(batch, mean_flow, tmp_path, again):
    class Stopped(Exception):
        pass

    class Ahead(Generators):
        def give(self, call):
            for _ in work_item(call.job, self._estimator):
                if list((tmp_path / "there").rglob("*.flo")):
                    raise Stopped
            return True

    batch("here")
    with pytest.raises(Stopped):
        batch("there", Ahead(Estimator(mean_flow()), 1, seed=1))
    assert len(list((tmp_path / "there").rglob("*.flo"))) > 0
    crew = again and Generators(Estimator(mean_flow()), again, seed=again)
    batch("there", crew)
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_what_a_run_with_many_workers_left_one_process_completes(batch, mean_flow, tmp_path):
    expected = outcomes(batch("here"))

    class Stopped(Exception):
        pass

    class Stopping(Generators):
        left = 70

        def hear(self, waiting):
            self.left -= 1
            if self.left == 0:
                raise Stopped
            return super().hear(waiting)

    for seed in range(2):
        with pytest.raises(Stopped):
            batch("there", Stopping(Estimator(mean_flow()), 5, seed))
    # The parts that are done are not those at the beginning.
    again = batch("there")
    assert outcomes(again) == expected
    assert results(tmp_path / "there") == results(tmp_path / "here")


@pytest.mark.parametrize("seed", range(2))
def test_an_input_that_ends_early_ends_there_whoever_was_faster(batch, mean_flow, tmp_path, seed):
    (tmp_path / "in" / "long" / "f070.png").write_bytes(b"damaged")
    here = batch("here")
    crew = Generators(Estimator(mean_flow()), 4, seed)
    there = batch("there", crew)
    assert outcomes(there) == outcomes(here)
    assert here.outcomes[0].pairs == 69
    assert results(tmp_path / "there") == results(tmp_path / "here")
    # What was done behind that place is forgotten, and the next run has nothing to do.
    assert all(outcome.skipped for outcome in batch("there").outcomes)


def test_an_item_that_kills_its_workers_is_a_fault(batch, mean_flow):
    work = batch("out", Generators(Estimator(mean_flow()), 3, seed=0, killer="short1"))
    found = outcomes(work)
    assert found["short1"] == ("its worker process died 3 times (killed)", 0)
    assert [name for name, (fault, _) in found.items() if fault] == ["short1"]


def start(job, pairs):
    """A schedule whose first item is opened: it, and the first call."""
    schedule = Schedule([job])
    call = schedule.next_call()
    assert schedule.note(call, Started(pairs, 2.0, 0)) != []
    return schedule, call


@pytest.fixture
def job(make_folder, make_job, tmp_path):
    (item,) = plan_batch([str(make_folder("a", 3))], tmp_path / "out")
    return make_job(item, SETTINGS, tmp_path / "out")


@pytest.mark.parametrize(
    ("machine", "tries", "text"), [(False, TRIES, "worker process died"), (True, LOSSES, "machine was lost")]
)
def test_tries_are_counted_where_nothing_is_done_in_between(job, machine, tries, text):
    schedule, call = start(job, 64)
    for part in (0, 1):
        for _ in range(tries - 1):
            ((_, event),) = schedule.lose(call, "x", machine=machine)
            assert event == Interrupted("x")
            schedule.resume(call, None)
            call = schedule.next_call()
        # A part that is done begins the count anew.
        if part == 0:
            schedule.note(call, PartDone(0, 16, {}))
    ((_, event),) = schedule.lose(call, "x", machine=machine)
    assert event == Failed(f"its {text} {tries} times (x)")
    assert schedule.open == 0


def test_parts_that_are_not_there_any_more_are_done_again(job):
    schedule, call = start(job, 16 * 3)
    for part in (0, 1):
        schedule.note(call, PartDone(part, 16, {}))
    schedule.lose(call, "x", machine=True)
    # The machine took part 0 along.
    schedule.resume(call, replace(job.after([1], None)))
    assert schedule.next_call().job.span == (0, 2)


def test_the_item_ends_once_all_calls_have(job):
    schedule, first = start(job, 16 * (SPAN + 1))
    second = schedule.next_call()
    assert second.job.span == (SPAN,)
    assert schedule.next_call() is None
    for part in first.job.span:
        schedule.note(first, PartDone(part, 16, {}))
    assert schedule.note(first, Left(first.job.span)) == []
    assert schedule.next_call() is None
    schedule.note(second, PartDone(SPAN, 16, {}))
    schedule.note(second, Left(second.job.span, met=Met(80)))
    last = schedule.next_call()
    assert last.job.span == ()
    assert len(last.job.calls) == 2
    ((_, event),) = schedule.note(last, Ended(80, 5, {}, None))
    assert event.pairs == 80
    assert schedule.open == 0
    # A worker that dies after it has told of the end changes nothing.
    assert schedule.lose(last, "x", machine=False) == []
    assert schedule.next_call() is None
