"""A stream of frame pairs through an estimator, in order, one pair in flight per stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from flowcli.estimator import Estimator
from flowcli.flow import FlowField, Pair
from flowcli.io.frames_resize import Resize, resize_flow, resize_frame
from flowcli.io.sources import FramePair
from flowcli.output.writer import PairFlow


def estimate_pairs(
    pairs: Iterable[FramePair], estimator: Estimator, *, backward: bool, resize: Resize
) -> Generator[PairFlow, None, None]:
    """Yield the flow of each pair, in order.

    Args:
        pairs: frame pairs of any equal size; one that repeats the one before gets the same flow.
        estimator: estimates them.
        backward: estimate frame 2 -> frame 1 as well.
        resize: the size at which to estimate; the flow comes back on the grid and in the pixels of the originals.
    """
    waiting: deque[FramePair] = deque()
    repeated: FramePair | None = None
    result: PairFlow | None = None

    def read() -> Iterator[Pair]:
        nonlocal repeated, result
        begun = False
        for pair in pairs:
            if pair.repeats and begun:
                repeated = pair
                continue
            begun = True
            # Nothing may hold a result while the next one is estimated.
            result = None
            waiting.append(pair)
            height, width = pair.frame1.shape[:2]
            size = resize.target((height, width))
            frames = resize_frame(pair.frame1, size), resize_frame(pair.frame2, size)
            del pair
            yield frames
            del frames

    flows: Iterable[tuple[FlowField, FlowField | None]] = (
        ((both.forward, both.backward) for both in estimator.flows_both(read()))
        if backward
        else ((forward, None) for forward in estimator.flows(read()))
    )
    for forward, back in flows:
        pair = waiting.popleft()
        height, width = pair.frame1.shape[:2]
        original = (height, width)
        result = PairFlow(pair, resize_flow(forward, original), None if back is None else resize_flow(back, original))
        del forward, back, pair
        yield result
    if repeated is not None and result is not None:
        yield replace(result, pair=repeated)
