"""An Estimator with a method of one's own, and an Estimator that travels to other processes."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence

import numpy as np
import pytest

from flowcli.errors import EngineError, InputError
from flowcli.estimator import Estimator
from flowcli.flow import FlowField, Pair
from flowcli.options import EstimatorOptions

FRAME = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


class Brighter:
    """Flow is the difference of the frames' means, both ways; it counts what it is given."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        self.groups.append(len(pairs))
        return [
            FlowField(np.full((*frame1.shape[:2], 2), frame2.mean() - frame1.mean(), np.float32))
            for frame1, frame2 in pairs
        ]


class Elaborate(Brighter):
    """Has all that a method may have."""

    pairs_at_once = 3
    settings = {"model": "elaborate", "level": 11}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.closed = 0

    def estimate_both(self, pairs: Sequence[Pair]) -> list[tuple[FlowField, FlowField]]:
        self.groups.append(-len(pairs))
        one = FlowField(np.ones((*pairs[0][0].shape[:2], 2), np.float32))
        return [(one, one)] * len(pairs)

    def close(self) -> None:
        self.closed += 1


def pair_of(*levels: int, size: tuple[int, int] = (4, 5)) -> Pair:
    frame1, frame2 = (np.full((*size, 3), level, np.uint8) for level in levels)
    return frame1, frame2


def test_any_object_with_estimate_will_do() -> None:
    method = Brighter()
    with Estimator(method) as estimator:
        assert estimator.method is method and estimator.options is None
        assert estimator.settings == {"model": "Brighter"}
        assert (estimator.flow(*pair_of(10, 13)).uv == 3).all()
        both = estimator.flow_both(*pair_of(10, 13))
        assert (both.forward.uv == 3).all() and (both.backward.uv == -3).all()
        # Opposite flows of (3, 3) agree where they stay in the frame.
        assert not both.occluded[0, 0] and both.occluded[-1, -1] and both.confidence[0, 0] == 1
        method.groups.clear()
        assert [float(flow.uv[0, 0, 0]) for flow in estimator.flows(pair_of(0, k) for k in range(4))] == [0, 1, 2, 3]
        assert method.groups == [1, 1, 1, 1]


def test_a_method_may_want_more() -> None:
    method = Elaborate()
    with Estimator(method) as estimator:
        assert estimator.settings == {"model": "elaborate", "level": 11}
        sizes = [(4, 5)] * 4 + [(6, 5)] * 3
        flows = list(estimator.flows(pair_of(0, k, size=size) for k, size in enumerate(sizes)))
        assert [(flow.size, float(flow.uv[0, 0, 0])) for flow in flows] == [(s, k) for k, s in enumerate(sizes)]
        assert method.groups == [3, 1, 2, 1]
        method.groups.clear()
        assert all((both.backward.uv == 1).all() for both in estimator.flows_both([pair_of(0, 9)] * 4))
        assert method.groups == [-3, -1]
        assert not method.closed
    assert method.closed == 1


def test_what_is_no_method_is_refused() -> None:
    for wrong in (object(), 3, None):
        with pytest.raises(InputError, match=r"object with estimate\(pairs\), got (object|int|NoneType)$"):
            Estimator(wrong)  # pyright: ignore[reportArgumentType]
    for model in (Brighter(), EstimatorOptions("zero")):
        with pytest.raises(InputError, match="options only with the name of a model, got threads as well"):
            Estimator(model, threads=1)


def test_an_estimator_is_pickled_by_its_options() -> None:
    for options in (EstimatorOptions("zero", threads=1), EstimatorOptions("variational", preset="fast", threads=2)):
        estimator = Estimator(options)
        estimator.flow(FRAME, np.roll(FRAME, 1, axis=1))  # threads cannot travel
        stored = pickle.dumps(estimator)
        assert len(stored) < 1000
        again = pickle.loads(stored)
        assert again.options == options and again.settings == estimator.settings
        assert again.flow(FRAME, FRAME[::-1]) == estimator.flow(FRAME, FRAME[::-1])
        assert again.method is not estimator.method
    again = pickle.loads(pickle.dumps(Estimator("zero", threads=1)))
    assert again.options == EstimatorOptions("zero", threads=1)


def test_an_estimator_with_a_method_of_ones_own_takes_it_along() -> None:
    again = pickle.loads(pickle.dumps(Estimator(Elaborate())))
    assert isinstance(again.method, Elaborate) and again.options is None
    assert (again.flow(*pair_of(1, 3)).uv == 2).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.parametrize("method", ["zero", "variational", Brighter()])
def test_a_copy_from_before_a_fork_refuses_to_work(method: str | Brighter) -> None:
    estimator = Estimator(method)
    estimator.flow(FRAME, FRAME)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "no error"
        try:
            for estimate in (estimator.flow, estimator.flow_both):
                try:
                    estimate(FRAME, FRAME)
                except EngineError as error:
                    answer = str(error)
                else:
                    answer = "no error"
                    break
            # One that is built here works.
            if method != "variational":
                Estimator(method).flow(FRAME, FRAME)
            os.write(writing, answer.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer.startswith("expected an Estimator of this process, got one from before a fork")
    assert estimator.flow(FRAME, FRAME).size == (20, 30)
