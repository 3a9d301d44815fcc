"""One estimator over labelled pairs: an error and a time for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from flowcli.errors import InputError
from flowcli.estimator import Estimator
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import PairErrors, measure
from flowcli.flow import FlowField, Pair, check_pair


@dataclass(frozen=True)
class PairResult:
    """What came out for one pair; `seconds` is wall time for the estimate, without reading and measuring."""

    pair: LabelledPair
    errors: PairErrors
    estimate: FlowField
    seconds: float


def evaluate(estimator: Estimator, pairs: Sequence[LabelledPair]) -> Iterator[PairResult]:
    """Estimate and measure pair after pair, in order; lazy, so that memory does not grow with their number.

    An estimator that reads ahead to fill a batch spends the whole batch's time on its first pair: single times then
    mean little, their mean is right.

    Raises:
        InputError: naming the pair, if frames, truth and mask differ in size or the truth says nothing.
        FormatError: if a file is damaged.
    """
    reading = 0.0

    def read_frames() -> Iterator[Pair]:
        nonlocal reading
        for pair in pairs:
            started = perf_counter()
            frame1, frame2 = pair.read_frames()
            try:
                check_pair(frame1, frame2)
            except InputError as error:
                raise InputError(f"{pair.dataset} {pair.name}: {error}") from error
            reading += perf_counter() - started
            yield frame1, frame2

    estimates = iter(estimator.flows(read_frames()))
    for pair in pairs:
        started, read_before = perf_counter(), reading
        estimate = next(estimates)
        seconds = perf_counter() - started - (reading - read_before)
        matched = None if pair.read_matched is None else pair.read_matched()
        try:
            errors = measure(estimate, pair.read_truth(), matched, pair.truth_factor)
        except InputError as error:
            raise InputError(f"{pair.dataset} {pair.name}: {error}") from error
        yield PairResult(pair, errors, estimate, seconds)
