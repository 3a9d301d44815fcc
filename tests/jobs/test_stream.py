from fractions import Fraction

import numpy as np

from flowcli.flow import FlowField
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair
from flowcli.jobs.stream import estimate_pairs


class Recorder:
    """Flow (mean of frame 1, mean of frame 2) everywhere; notes the sizes and the batches it was asked for."""

    settings = {"model": "recorder"}  # noqa: RUF012

    def __init__(self):
        self.asked = []

    def flows(self, pairs, together=1):
        for frame1, frame2 in pairs:
            self.asked.append((frame1.shape[:2], int(frame1[0, 0, 0]), int(frame2[0, 0, 0])))
            yield FlowField(np.full((*frame1.shape[:2], 2), (frame1[0, 0, 0], frame2[0, 0, 0]), np.float32))


def make_pairs(count):
    frames = [np.full((6, 8, 3), k, np.uint8) for k in range(count + 1)]
    return [FramePair(str(k), frames[k], frames[k + 1], Fraction(k), Fraction(1)) for k in range(count)]


def test_one_result_per_pair_in_order():
    pairs = make_pairs(4)
    results = list(estimate_pairs(pairs, Recorder(), backward=False, resize=Resize()))
    assert [result.pair for result in results] == pairs
    assert [tuple(result.forward.uv[0, 0]) for result in results] == [(k, k + 1) for k in range(4)]
    assert all(result.backward is None for result in results)


def test_both_directions_of_a_pair_stand_next_to_each_other():
    estimator = Recorder()
    results = list(estimate_pairs(make_pairs(3), estimator, backward=True, resize=Resize()))
    assert [asked[1:] for asked in estimator.asked] == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]
    for k, result in enumerate(results):
        assert tuple(result.forward.uv[0, 0]) == (k, k + 1)
        assert result.backward is not None
        assert tuple(result.backward.uv[0, 0]) == (k + 1, k)


def test_the_estimator_sees_the_other_size_and_the_caller_does_not():
    estimator = Recorder()
    (result,) = estimate_pairs(make_pairs(1), estimator, backward=True, resize=Resize(size=(3, 16)))
    assert estimator.asked[0][0] == (3, 16)
    assert result.forward.size == (6, 8)
    assert result.backward is not None
    # (0, 1) on 16x3 is (0 / 2, 1 * 2) on 8x6.
    np.testing.assert_allclose(result.forward.uv[0, 0], (0, 2))
    np.testing.assert_allclose(result.backward.uv[0, 0], (0.5, 0))


def test_an_estimator_that_batches_is_fed_no_further_than_it_asks():
    class Batching(Recorder):
        def flows(self, pairs, together=1):
            pairs = list(pairs)
            yield from super().flows(pairs, together)

    results = list(estimate_pairs(make_pairs(5), Batching(), backward=True, resize=Resize()))
    assert [result.pair.name for result in results] == [str(k) for k in range(5)]
