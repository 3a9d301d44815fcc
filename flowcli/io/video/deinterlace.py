"""Whole frames of interlaced video, by FFmpeg's bwdif: one per frame, the lines of its second field made up.

The two fields of a frame are of two moments; seen as one picture they comb wherever something moves, and combs have a
flow of their own. The filter looks at the frame before and the one after, and leaves alone what is not interlaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowcli.io.video.container import has_fields

# Frames before and after one that its picture depends on.
REACH = 1
# Columns and rows of a plane; the filter refuses what is smaller, where there is nothing to comb.
_FEWEST_COLUMNS, _FEWEST_ROWS = 3, 4


def is_interlaced(stream: VideoStream, first: VideoFrame) -> bool:
    """Return whether a video says of itself that it is interlaced: in its headers, or in its first frame."""
    return first.interlaced_frame or has_fields(stream)


def deinterlace(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield for each of consecutive frames one without the combs, in order.

    The first is exact only where it is the first of the video; of others the neighbour before is needed.
    """
    graph: Graph | None = None
    shape = None
    for frame in frames:
        if (frame.width, frame.height, frame.format.name) != shape:
            if graph is not None:
                yield from _drain(graph)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _make_graph(frame) if _is_large_enough(frame) else None
        if graph is None:
            yield frame
            continue
        graph.vpush(frame)
        yield from _pull(graph)
    if graph is not None:
        yield from _drain(graph)


def _is_large_enough(frame: VideoFrame) -> bool:
    parts = frame.format.components
    return all(part.width >= _FEWEST_COLUMNS and part.height >= _FEWEST_ROWS for part in parts)


def _make_graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    # In one thread: it is quick, and the network has work for the others.
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    filter = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(filter)
    filter.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, EOFError):
            return


def _drain(graph: Graph) -> Iterator[VideoFrame]:
    graph.vpush(None)
    yield from _pull(graph)
