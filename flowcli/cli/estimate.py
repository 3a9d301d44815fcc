"""`flowcli estimate`: optical flow between the consecutive frames of one input."""

from __future__ import annotations

from flowcli.cli import options
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.options import EstimatorOptions


@with_estimator_options
def estimate(
    inputs: options.Inputs,
    output: options.FlowPath = None,
    viz: options.VizPath = None,
    occlusion: options.OcclusionPath = None,
    format: options.FlowFormat = None,
    backward: options.Backward = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    same_length: options.SameLength = False,
    range: options.Range = "auto",
    strict: options.Strict = False,
    resize: options.ResizeTo = None,
    size: options.Size = None,
    fps: options.Fps = None,
    style: options.StyleName = "wheel",
    scale: options.Scale = None,
    legend: options.Legend = False,
    estimator_options: EstimatorOptions = EstimatorOptions(),
) -> None:
    """Estimate optical flow between consecutive frames.

    With neither -o nor -v, two images write STEM.flo and STEM.flow.png into the current folder, and a sequence writes
    STEM.flow.mp4.
    """
    import sys
    import time
    from contextlib import closing

    from flowcli.cli.console import message, print_json, print_result, progress
    from flowcli.io.sources import open_source
    from flowcli.jobs.sequence import PairStream, write_flows
    from flowcli.output.inputs import InputFiles
    from flowcli.output.plan import plan_outputs
    from flowcli.output.scale import SequenceScale, choose_sequence_scale
    from flowcli.output.writer import Appearance, OutputWriter
    from flowcli.viz.scale import check_scale

    # Everything that can be wrong with the request is found before the network is loaded.
    look = Appearance(style, scale, legend)
    target = options.read_resize(resize)
    source = open_source(
        inputs,
        selection=options.read_selection(start, end, stride),
        size=options.read_size(size),
        fps=options.read_fps(fps),
        # Unbuffered: a thread that waits in it must not hold a lock when the program ends.
        stdin=getattr(sys.stdin.buffer, "raw", sys.stdin.buffer),
        same_length=same_length,
        values=options.read_range(range),
        strict=strict,
    )
    for note in source.notes:
        message(note)
    plan = plan_outputs(source, output, viz, occlusion, backward=backward, flow_format=format)
    target.target(source.size)
    if scale is not None:
        check_scale(scale)
    read = InputFiles(source.paths)
    if not source.paths:
        read.add_stream(sys.stdin.buffer)
    read.check(plan.files(source))
    plan.check(source, overwrite=overwrite)

    began = time.monotonic()
    estimator = build_estimator(estimator_options)
    colors = choose_sequence_scale(source) if scale is None and plan.has_pictures else SequenceScale(scale)
    writer = OutputWriter(plan, source, look, colors, estimator_options.model, overwrite=overwrite)
    done = 0
    with (
        PairStream(source) as stream,
        closing(write_flows(stream.take(), estimator, writer, backward=plan.needs_backward, resize=target)) as results,
    ):
        for _ in progress(results, total=source.count, description=source.stem):
            done += 1
    if done == 0 and stream.fault is not None:
        raise stream.fault
    outputs = [str(destination.path) for destination in plan.destinations]
    if json:
        height, width = source.size
        print_json(
            {
                "outputs": outputs,
                "pairs": done,
                "size": {"width": width, "height": height},
                "seconds": round(time.monotonic() - began, 3),
                "scale": colors.value if plan.has_pictures else None,
                "settings": estimator.settings,
            }
        )
    else:
        for path in outputs:
            print_result(path)
    if stream.fault is not None:
        raise stream.fault
