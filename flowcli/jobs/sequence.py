"""One input from end to end: decoding, the network and writing overlap, with a bounded number of frames in between."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice

from flowcli.errors import FlowcliError
from flowcli.estimator import Estimator
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FramePair, FrameSource
from flowcli.jobs.background import in_background
from flowcli.jobs.stream import estimate_pairs
from flowcli.output.writer import OutputWriter, PairFlow
from flowcli.runtime.ceiling import DEPTH


class PairStream(AbstractContextManager["PairStream"]):
    """The pairs of a source, decoded ahead in a thread, for one pass.

    A frame that cannot be read ends the stream there; `fault` says why, and what came before is as good as ever.

    Attributes:
        fault: why the input ended early, or None so far.
    """

    def __init__(
        self, source: FrameSource, start: int = 0, stop: int | None = None, depth: int = DEPTH, *, leads: bool = False
    ) -> None:
        """Decode from pair `start` on.

        Args:
            source: of the pairs.
            start: the first one that is wanted.
            stop: the one before which to end; None: the last one is the source's.
            depth: pairs to be decoded ahead, at most.
            leads: put the pair before in front of every part, marked so, for outputs that need its backward flow.
        """
        self.fault: FlowcliError | None = None
        self._leads = leads
        self._lead: FramePair | None = None
        self._first_leads = leads and start > 0
        begin = start - 1 if self._first_leads else start
        # A read from a pipe may never return; such a thread is not waited for.
        self._pairs = in_background(source.pairs(begin, stop), depth, patience=None if source.rereadable else 0.1)

    def take(self, number: int | None = None) -> Iterator[FramePair]:
        """Yield the next `number` pairs, or all that are left, with times from the first of them on."""
        origin: Fraction | None = None
        try:
            if self._first_leads:
                self._first_leads = False
                self._lead = next(self._pairs, None)
            if self._lead is not None:
                yield replace(self._lead, leads=True)
            for pair in islice(self._pairs, number):
                origin = pair.time if origin is None else origin
                if self._leads:
                    self._lead = pair
                pair = replace(pair, time=pair.time - origin)
                yield pair
                # Nothing may hold its frames while the next ones are decoded.
                del pair
        except FlowcliError as fault:
            self.fault = fault

    def __exit__(self, *error: object) -> None:
        """End the thread."""
        self._pairs.close()


def write_flows(
    pairs: Iterable[FramePair],
    estimator: Estimator,
    writer: OutputWriter,
    *,
    backward: bool,
    resize: Resize,
    depth: int = DEPTH,
) -> Generator[PairFlow, None, None]:
    """Estimate the flow of `pairs` in a thread and write it; yields each result once it is written.

    The files of `writer` are complete when the generator ends, and incomplete ones are dropped if it is ended early.
    Faults of the estimator and of the outputs are raised. At most `depth` results wait to be written.
    """
    results = in_background(estimate_pairs(pairs, estimator, backward=backward, resize=resize), depth)
    with closing(results), writer:
        for result in results:
            writer.write(result)
            if not result.pair.leads:
                yield result
            # Nothing may hold it while the next one is estimated.
            del result
