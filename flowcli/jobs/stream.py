"""A stream of frame pairs through an estimator, in order, one pair in flight per stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

from flowcli.flow import FlowField, Frame
from flowcli.io.frames_resize import Resize, resize_flow, resize_frame
from flowcli.io.sources import FramePair
from flowcli.output.writer import PairFlow


class FlowEstimator(Protocol):
    """What a job needs of `flowcli.estimator.Estimator`."""

    @property
    def settings(self) -> dict[str, object]:
        """Everything that determines the output, as plain JSON values."""
        ...

    def flows(self, pairs: Iterable[tuple[Frame, Frame]], together: int = 1) -> Iterator[FlowField]:
        """Yield one flow per pair, in order, lazily; `together` pairs may be taken at once."""
        ...


def estimate_pairs(
    pairs: Iterable[FramePair], estimator: FlowEstimator, *, backward: bool, resize: Resize
) -> Generator[PairFlow, None, None]:
    """Yield the flow of each pair, in order.

    Args:
        pairs: frame pairs of any equal size.
        estimator: gets both directions of a pair next to each other, so that they share a batch.
        backward: estimate frame 2 -> frame 1 as well.
        resize: the size at which to estimate; the flow comes back on the grid and in the pixels of the originals.
    """
    waiting: deque[FramePair] = deque()

    def directions() -> Iterator[tuple[Frame, Frame]]:
        for pair in pairs:
            waiting.append(pair)
            height, width = pair.frame1.shape[:2]
            size = resize.target((height, width))
            frame1, frame2 = resize_frame(pair.frame1, size), resize_frame(pair.frame2, size)
            yield frame1, frame2
            if backward:
                yield frame2, frame1

    flows = estimator.flows(directions(), together=2 if backward else 1)
    for forward in flows:
        back = next(flows) if backward else None
        pair = waiting.popleft()
        height, width = pair.frame1.shape[:2]
        original = (height, width)
        yield PairFlow(pair, resize_flow(forward, original), None if back is None else resize_flow(back, original))
