from fractions import Fraction

import numpy as np
import pytest

from flowcli.estimator import Estimator
from flowcli.flow import FlowField
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair
from flowcli.jobs.stream import estimate_pairs


class Recorder:
    """Flow (mean of frame 1, mean of frame 2) everywhere; notes the sizes and the batches it was asked for."""

    def __init__(self, pairs_at_once=1):
        self.pairs_at_once, self.asked, self.groups = pairs_at_once, [], []

    def estimate(self, pairs):
        self.groups.append(len(pairs))
        fields = []
        for frame1, frame2 in pairs:
            self.asked.append((frame1.shape[:2], int(frame1[0, 0, 0]), int(frame2[0, 0, 0])))
            fields.append(FlowField(np.full((*frame1.shape[:2], 2), (frame1[0, 0, 0], frame2[0, 0, 0]), np.float32)))
        return fields


class BothRecorder(Recorder):
    """Estimates both directions together."""

    def estimate_both(self, pairs):
        fields = self.estimate([frames for one, two in pairs for frames in ((one, two), (two, one))])
        return list(zip(fields[::2], fields[1::2], strict=True))


def make_pairs(count):
    frames = [np.full((6, 8, 3), k, np.uint8) for k in range(count + 1)]
    return [FramePair(str(k), frames[k], frames[k + 1], Fraction(k), Fraction(1)) for k in range(count)]


def test_one_result_per_pair_in_order():
    pairs = make_pairs(4)
    results = list(estimate_pairs(pairs, Estimator(Recorder()), backward=False, resize=Resize()))
    assert [result.pair for result in results] == pairs
    assert [tuple(result.forward.uv[0, 0]) for result in results] == [(k, k + 1) for k in range(4)]
    assert all(result.backward is None for result in results)


@pytest.mark.parametrize("kind", [Recorder, BothRecorder])
def test_both_directions_of_a_pair_stand_next_to_each_other(kind):
    method = kind()
    results = list(estimate_pairs(make_pairs(3), Estimator(method), backward=True, resize=Resize()))
    assert [asked[1:] for asked in method.asked] == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]
    for k, result in enumerate(results):
        assert tuple(result.forward.uv[0, 0]) == (k, k + 1)
        assert result.backward is not None
        assert tuple(result.backward.uv[0, 0]) == (k + 1, k)


def test_the_method_sees_the_other_size_and_the_caller_does_not():
    method = Recorder()
    (result,) = estimate_pairs(make_pairs(1), Estimator(method), backward=True, resize=Resize(size=(3, 16)))
    assert method.asked[0][0] == (3, 16)
    assert result.forward.size == (6, 8)
    assert result.backward is not None
    # (0, 1) on 16x3 is (0 / 2, 1 * 2) on 8x6.
    np.testing.assert_allclose(result.forward.uv[0, 0], (0, 2))
    np.testing.assert_allclose(result.backward.uv[0, 0], (0.5, 0))


@pytest.mark.parametrize("kind", [Recorder, BothRecorder])
def test_a_method_that_batches_is_fed_no_further_than_it_asks(kind):
    method, taken = kind(pairs_at_once=2), []

    def counted():
        for pair in make_pairs(5):
            taken.append(pair.name)
            yield pair

    results = estimate_pairs(counted(), Estimator(method), backward=True, resize=Resize())
    first = next(results)
    assert taken == ["0", "1"]
    found = [first, *results]
    assert [result.pair.name for result in found] == [str(k) for k in range(5)]
    assert method.groups == [4, 4, 2]
    for k, result in enumerate(found):
        assert result.backward is not None
        assert (*result.forward.uv[0, 0], *result.backward.uv[0, 0]) == (k, k + 1, k + 1, k)


def test_pairs_of_another_size_begin_a_batch_of_their_own():
    method = Recorder(pairs_at_once=4)
    frames = [np.full((6 + k // 2, 8, 3), k, np.uint8) for k in range(6)]
    pairs = [FramePair(str(k), frames[k], frames[k + 1], Fraction(k), Fraction(1)) for k in (0, 2, 4)]
    results = list(estimate_pairs(pairs, Estimator(method), backward=False, resize=Resize()))
    assert [result.forward.size for result in results] == [(6, 8), (7, 8), (8, 8)]
    assert method.groups == [1, 1, 1]
