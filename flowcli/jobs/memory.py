"""The plan of memory for one input: what frames, decoder, writers and encoders take beside the method."""

from __future__ import annotations

from collections.abc import Iterable

from flowcli.estimator import Estimator
from flowcli.io.frames_resize import Resize
from flowcli.io.sources import FrameSource
from flowcli.output.plan import BACKWARD_FLOW, OCCLUSION, Output, OutputPlan
from flowcli.output.plan import FLOW as FORWARD_FLOW
from flowcli.runtime.ceiling import FLOW, FRAME, UNLIMITED, Demand, Layout, choose_layout

READING = 16
"""Bytes per pixel of an image while it is decoded: its file, its samples in up to 16 bits and a copy."""

# Bytes per pixel of a result while it is written: flow by suffix, and pictures of any style and kind. Measured.
WRITING_FLOW, WRITING_OTHER_FLOW = {".pfm": 38, ".png": 26}, 18
WRITING_PICTURES, WRITING_MASKS = 28, 30

# Suffix -> bytes of the encoder, and bytes per pixel: frames that it looks ahead at and refers to, and the last one in
# RGB on its way. Measured at 1920x1080 and 3840x2160.
ENCODERS = {".mp4": (2**26, 56), ".webm": (2**26, 120), ".gif": (2**25, 80)}

# Decoded in libav's own memory, and then made RGB.
READING_VIDEO = 8


def plan_layout(estimator: Estimator, source: FrameSource, plan: OutputPlan, resize: Resize) -> Layout:
    """Return how an input is worked on below the estimator's ceiling, and set the estimator up for it.

    Args:
        estimator: with `options.memory` if there is a ceiling.
        source: the input.
        plan: its outputs.
        resize: the size at which flow is estimated.

    Raises:
        UsageError: the ceiling is too low for these frames, whatever the layout.
    """
    options = estimator.options
    if options is None or options.memory is None:
        return UNLIMITED
    size = resize.target(source.size)
    backward = plan.needs_backward
    footprint = estimator.footprint(size, both=backward)
    if footprint is None:
        return UNLIMITED
    demand = measure_demand(source, size, plan.outputs, backward=backward)
    layout = choose_layout(options.memory, demand, footprint, source.stem)
    estimator.limit_workers(layout.workers)
    return layout


def measure_demand(source: FrameSource, size: tuple[int, int], outputs: Iterable[Output], *, backward: bool) -> Demand:
    """Return what surrounds the method.

    Args:
        source: the input.
        size: (height, width) at which flow is estimated.
        outputs: what is written.
        backward: whether there is flow back as well.
    """
    pixels, estimated = source.size[0] * source.size[1], size[0] * size[1]
    directions = 1 + backward
    outputs = list(outputs)
    encoders = [ENCODERS[o.destination.suffix] for o in outputs if o.destination.is_video]
    # One after the other.
    writing = max(map(_count_writing, outputs), default=0)
    another = size != source.size
    return Demand(
        source.size,
        source.count,
        frame=FRAME * (pixels + estimated * another),
        result=FLOW * directions * pixels,
        reading=(READING_VIDEO if source.decoder else READING) * pixels,
        # Enlarged, before what was estimated is gone.
        writing=max(writing * pixels, FLOW * directions * (estimated + pixels) * another),
        kept=source.decoder + sum(fixed + each * pixels for fixed, each in encoders),
        opened=source.opened * FRAME * pixels,
    )


def _count_writing(output: Output) -> int:
    if output.content in (FORWARD_FLOW, BACKWARD_FLOW):
        return WRITING_FLOW.get(output.destination.suffix, WRITING_OTHER_FLOW)
    return WRITING_MASKS if output.content == OCCLUSION else WRITING_PICTURES
