import threading
import time

import pytest

from flowcli.jobs.background import in_background


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_items_come_in_order_through_several_stages():
    def double(items):
        for item in items:
            yield 2 * item

    assert list(in_background(double(in_background(range(50), 2)), 3)) == list(range(0, 100, 2))


def test_no_more_than_the_queue_holds_is_fetched_ahead():
    fetched = []

    def source():
        for k in range(100):
            fetched.append(k)
            yield k

    stage = in_background(source(), 4)
    for k in range(10):
        assert next(stage) == k
        # One is in the consumer's hand, four wait, one is offered to the full queue.
        assert len(fetched) <= k + 1 + 4 + 1
    stage.close()
    assert len(fetched) < 20


def test_fetching_goes_on_while_the_consumer_works():
    second_fetched = threading.Event()

    def source():
        yield 1
        second_fetched.set()
        yield 2

    stage = in_background(source(), 2)
    assert next(stage) == 1
    assert second_fetched.wait(5)
    assert list(stage) == [2]


def test_an_exception_arrives_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise ValueError("broken")

    stage = in_background(in_background(source(), 5), 5)
    assert [next(stage), next(stage)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(stage)


def test_a_consumer_that_fails_stops_every_stage():
    closed = []

    def endless():
        try:
            k = 0
            while True:
                yield k
                k += 1
        finally:
            closed.append(threading.current_thread().name)

    def passing(items):
        try:
            yield from items
        finally:
            closed.append("middle")

    def consume():
        for item in in_background(passing(in_background(endless(), 1)), 1):
            if item == 3:
                raise RuntimeError("consumer")

    with pytest.raises(RuntimeError, match="consumer") as caught:
        consume()
    # The traceback keeps the generators alive until here.
    caught.value.__traceback__ = None
    del caught
    deadline = time.monotonic() + 5
    while len(closed) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(closed) == ["flowcli-stage", "middle"]


def test_closing_early_closes_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from range(1000)
        finally:
            closed.set()

    stage = in_background(source(), 2)
    assert next(stage) == 0
    stage.close()
    assert closed.is_set()


def test_a_read_that_never_returns_is_not_waited_for():
    release = threading.Event()

    def blocked():
        yield 1
        release.wait()

    stage = in_background(in_background(blocked(), 2, patience=0.05), 2)
    assert next(stage) == 1
    stage.close()  # would hang here
    assert not release.is_set()
    release.set()


def test_nothing_is_fetched_before_it_is_asked_for():
    fetched = []
    stage = in_background((fetched.append(k) for k in range(3)), 2)
    assert fetched == []
    stage.close()


def test_without_a_queue_every_item_is_made_when_it_is_asked_for():
    made, closed = [], []

    def source():
        try:
            for k in range(5):
                made.append((k, threading.current_thread()))
                yield k
        finally:
            closed.append(True)

    stage = in_background(source(), 0)
    assert made == []
    assert next(stage) == 0
    assert made == [(0, threading.current_thread())]
    stage.close()
    assert closed == [True]
    assert list(in_background([1, 2], 0)) == [1, 2]
