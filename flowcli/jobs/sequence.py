"""One input from end to end: decode, estimate and write overlap, with a bounded number of frames in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

from flowcli.errors import FlowcliError
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair, FrameSource
from flowcli.jobs.background import in_background
from flowcli.jobs.stream import FlowEstimator, PairFlow, estimate_pairs
from flowcli.jobs.writer import OutputWriter

# Frames that wait for the network, and results that wait to be written: enough to smooth out the slow ones.
DEPTH = 3


class SequenceRun:
    """Iterate to do the work; yields each result once it is written.

    A frame that cannot be read ends the sequence there: what was read before is estimated and written, and `fault`
    says why there is no more. Faults of the estimator and of the outputs are raised.

    Attributes:
        fault: why the input ended early, or None.
        done: number of pairs written.
    """

    def __init__(
        self, source: FrameSource, estimator: FlowEstimator, writer: OutputWriter, *, backward: bool, resize: Resize
    ) -> None:
        self._source, self._estimator, self._writer = source, estimator, writer
        self._backward, self._resize = backward, resize
        self.fault: FlowcliError | None = None
        self.done = 0

    def __iter__(self) -> Iterator[PairFlow]:
        # A read from a pipe may never return; such a thread is not waited for.
        patience = None if self._source.rereadable else 0.1
        decoded = in_background(self._source.pairs(), DEPTH, patience)
        results = in_background(
            estimate_pairs(self._until_fault(decoded), self._estimator, backward=self._backward, resize=self._resize),
            DEPTH,
        )
        with closing(results), self._writer:
            for result in results:
                self._writer.write(result)
                self.done += 1
                yield result
        if self.fault is not None and self.done == 0:
            raise self.fault

    def _until_fault(self, pairs: Iterable[FramePair]) -> Iterator[FramePair]:
        try:
            yield from pairs
        except FlowcliError as fault:
            self.fault = fault
