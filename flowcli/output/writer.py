"""Writes the results of one sequence: flow, pictures and occlusion masks, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import numpy as np

from flowcli import __version__
from flowcli.flow import FlowField, Frame
from flowcli.io.flow import write_flow
from flowcli.io.sources import FramePair, FrameSource
from flowcli.motion.options import MotionOptions
from flowcli.output.plan import (
    BACKWARD_FLOW,
    BACKWARD_PICTURES,
    CONFIDENCE,
    FLOW,
    FORWARD_MOTION,
    MOTION,
    OCCLUSION,
    PICTURES,
    Output,
    OutputPlan,
)
from flowcli.output.rows import RowSink
from flowcli.output.scale import SequenceScale
from flowcli.output.sinks import FileSink, Sink, open_picture_sink
from flowcli.output.stream import ByteStream, FlowStream, PictureStream


@dataclass(frozen=True)
class Appearance:
    """How pictures look: a name of `viz.STYLES`, the scale in pixels (None: chosen for the sequence), the legend.

    `place` is that of the legend, one of `viz.styles.LEGEND_PLACES`.
    """

    style: str = "wheel"
    scale: float | None = None
    legend: bool = False
    place: str = "auto"


@dataclass(frozen=True, eq=False)
class PairFlow:
    """The result for one pair: flow on the grid of frame 1 and, where asked for, back on the grid of frame 2."""

    pair: FramePair
    forward: FlowField
    backward: FlowField | None


class OutputWriter(AbstractContextManager["OutputWriter"]):
    """Writes the results of one sequence, in order, to every destination of its plan.

    Leaving the block completes the files; leaving it by an exception drops the one that is incomplete.
    """

    def __init__(
        self,
        plan: OutputPlan,
        source: FrameSource,
        look: Appearance,
        scale: SequenceScale,
        model: str,
        *,
        overwrite: bool,
        motion: MotionOptions | None = None,
        stream: ByteStream | None = None,
    ) -> None:
        """Open the destinations.

        Args:
            plan: what to write and where.
            source: the sequence.
            look: of pictures.
            scale: of pictures.
            model: for the metadata of videos.
            overwrite: whether files that are there already may be replaced.
            motion: how motion is measured; needed where the plan has statistics.
            stream: standard output; needed where the plan has it.
        """
        self._stack = ExitStack()
        self._channels: list[Callable[[PairFlow], None]] = []
        self._look, self._scale = look, scale
        flows: dict[str, Callable[[PairFlow], FlowField]] = {
            FLOW: lambda result: result.forward,
            BACKWARD_FLOW: _backward,
        }
        drawings: dict[str, Callable[[PairFlow], Frame]] = {
            PICTURES: self._draw_forward,
            BACKWARD_PICTURES: self._draw_backward,
            OCCLUSION: draw_occlusion,
            CONFIDENCE: draw_confidence,
        }
        for output in plan.outputs:
            destination = output.destination
            if destination.is_stream:
                assert stream is not None
                if output.content in flows:
                    self._add(FlowStream(stream), flows[output.content])
                else:
                    self._add(PictureStream(stream, source.fps, source.aspect), drawings[output.content])
                continue
            if output.content in flows:
                self._add(FileSink[FlowField](destination, write_flow, overwrite=overwrite), flows[output.content])
                continue
            if output.content in (MOTION, FORWARD_MOTION):
                assert motion is not None
                rows = self._stack.enter_context(RowSink(destination.path, source.fps * source.stride, motion))
                self._channels.append(lambda r, rows=rows: rows.write(r.pair, r.forward, r.backward))
                continue
            comment = describe(output, model, look, scale)
            sink = open_picture_sink(
                destination, fps=source.fps, aspect=source.aspect, comment=comment, overwrite=overwrite
            )
            self._add(sink, drawings[output.content])

    def write(self, result: PairFlow) -> None:
        """Write one result; raises OutputError."""
        self._scale.see(result.forward)
        for channel in self._channels:
            channel(result)

    def __exit__(self, *error: object) -> bool | None:
        """Complete the files, or drop what is incomplete."""
        # They hold the writer, and the writer them: encoders are large, and must not wait for the collector of cycles.
        self._channels.clear()
        return self._stack.__exit__(*error)  # pyright: ignore[reportArgumentType]

    def _add(self, sink: Sink, make: Callable[[PairFlow], object]) -> None:
        self._stack.enter_context(sink)
        self._channels.append(lambda r: sink.write(r.pair.name, make(r), r.pair.time, r.pair.duration))

    def _draw_forward(self, result: PairFlow) -> Frame:
        return self._draw(result.forward, result.pair.frame1, result.pair.frame2)

    def _draw_backward(self, result: PairFlow) -> Frame:
        return self._draw(_backward(result), result.pair.frame2, result.pair.frame1)

    def _draw(self, field: FlowField, frame: Frame, frame2: Frame) -> Frame:
        from flowcli.viz import render

        look = self._look
        return render(
            field, look.style, self._scale.value, legend=look.legend, frame=frame, frame2=frame2, place=look.place
        )


def describe(output: Output, model: str, look: Appearance, scale: SequenceScale) -> str:
    """Return the line for the metadata of a video: what made it, and how its colours are to be read."""
    # The name of a checkpoint may hold bytes that are no text.
    made = f"flowcli {__version__}: optical flow, model {model.encode('utf-8', 'replace').decode()}"
    if not output.is_drawn:
        return f"{made}, {output.content}"
    length = "running scale" if scale.fixed is None else f"scale {scale.fixed:g} px"
    return f"{made}, style {look.style}, {length}"


def _backward(result: PairFlow) -> FlowField:
    assert result.backward is not None
    return result.backward


def draw_occlusion(result: PairFlow) -> Frame:
    """Return uint8 `(H, W, 3)`: white where frame 1 shows what frame 2 hides, black elsewhere."""
    from flowcli.coarse_to_fine.consistency import find_occlusion

    mask = find_occlusion(result.forward, _backward(result))
    return np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)


def draw_confidence(result: PairFlow) -> Frame:
    """Return uint8 `(H, W, 3)`: how well both directions agree at the pixels of frame 1, 0 black to 1 white.

    At 128 and above a pixel passes the check that the occlusion masks are made by.
    """
    from flowcli.coarse_to_fine.consistency import find_confidence

    level = np.rint(255 * find_confidence(result.forward, _backward(result))).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)
