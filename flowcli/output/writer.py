"""Writes the results of one sequence: flow, pictures and occlusion masks, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowcli import __version__
from flowcli.flow import FlowField, Frame
from flowcli.io.atomic import write_bytes
from flowcli.io.flow import FORMATS, write_flow
from flowcli.io.flow.two_stream import write_two_stream
from flowcli.io.sources import FramePair, FrameSource
from flowcli.motion.options import MotionOptions
from flowcli.output.plan import (
    BACKWARD_FLOW,
    BACKWARD_PICTURES,
    BOTH_FLOWS,
    CONFIDENCE,
    FORWARD_MOTION,
    MOTION,
    OCCLUSION,
    PICTURES,
    Output,
    OutputPlan,
)
from flowcli.output.rows import RowSink
from flowcli.output.scale import SequenceScale
from flowcli.output.sinks import ClipSink, FileSink, Sink, open_picture_sink
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
        self._before: FlowField | None = None
        drawings: dict[str, Callable[[PairFlow], Frame]] = {
            PICTURES: self._draw_forward,
            BACKWARD_PICTURES: self._draw_backward,
            OCCLUSION: draw_occlusion,
            CONFIDENCE: draw_confidence,
        }
        for output in plan.outputs:
            if output.destination.is_stream:
                assert stream is not None
                if output.content in drawings:
                    self._add(PictureStream(stream, source.fps, source.aspect), drawings[output.content])
                else:
                    self._add(FlowStream(stream), _backward if output.content == BACKWARD_FLOW else _forward)
                continue
            if output.content in (MOTION, FORWARD_MOTION):
                assert motion is not None
                path = output.destination.path
                rows = self._stack.enter_context(RowSink(path, source.fps * source.stride, motion))
                self._channels.append(lambda r, rows=rows: rows.write(r.pair, r.forward, r.backward))
                continue
            if output.content not in drawings:
                self._add_flow(output, source, describe(output, model, look, scale), overwrite=overwrite)
                continue
            film = (source.paths[0], source.begins) if output.sound and source.begins is not None else None
            sink = open_picture_sink(
                output.destination,
                fps=source.fps,
                aspect=source.aspect,
                comment=describe(output, model, look, scale),
                overwrite=overwrite,
                film=film,
            )
            self._add(sink, drawings[output.content])

    def _add_flow(self, output: Output, source: FrameSource, comment: str, *, overwrite: bool) -> None:
        destination, storage = output.destination, output.storage
        make = _backward if output.content == BACKWARD_FLOW else _forward
        if destination.is_clip:
            self._add(ClipSink(destination, storage, source.fps, comment), make)
            return
        row = FORMATS.get(destination.suffix)
        if output.content == BOTH_FLOWS:
            assert row is not None and row.encode_both is not None
            encode_both = row.encode_both

            def write_both(paths: list[Path], fields: tuple[FlowField, FlowField]) -> None:
                write_bytes(paths[0], encode_both(*fields))

            sink = FileSink[tuple[FlowField, FlowField]](destination, write_both, overwrite=overwrite)
            self._add(sink, self._both)
            return

        def write(paths: list[Path], field: FlowField) -> None:
            if len(paths) == 2:
                write_two_stream(paths, field, storage.bound)
            elif output.content == BACKWARD_FLOW and row is not None and row.encode_both is not None:
                # In its own layer, where the format has one.
                write_bytes(paths[0], row.encode_both(None, field))
            else:
                write_flow(paths[0], field)

        self._add(FileSink[FlowField](destination, write, overwrite=overwrite), make)

    def _both(self, result: PairFlow) -> tuple[FlowField, FlowField]:
        # On the grid of frame 1 lies the backward flow of the pair before; before the first frame nothing is known.
        before = self._before
        if before is None:
            before = FlowField(np.full_like(result.forward.uv, np.nan), np.zeros(result.forward.size, bool))
        return result.forward, before

    def write(self, result: PairFlow) -> None:
        """Write one result, or only take note of it if its pair leads; raises OutputError."""
        if not result.pair.leads:
            self._scale.see(result.forward)
            for channel in self._channels:
                channel(result)
        if not result.pair.repeats:
            self._before = result.backward

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


def _forward(result: PairFlow) -> FlowField:
    return result.forward


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
