"""`flowcli estimate`: optical flow between the consecutive frames of one input."""

from __future__ import annotations

from typing import Annotated

import typer

from flowcli.cli import format_options, options
from flowcli.cli.estimate_pairs import PairsPath, estimate_listed, refuse_for_pairs
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.cli.page_options import PagePath
from flowcli.cli.remote_files import with_remote_files
from flowcli.options import EstimatorOptions

Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        rich_help_panel=options.FILES,
        help="With -o - or -v -: bare float32 u, v (H, W, 2), or bare RGB24, no headers.",
    ),
]


ConfidencePath = Annotated[
    str | None,
    typer.Option(
        "--confidence",
        metavar="P",
        rich_help_panel=options.FILES,
        help="Maps of how well both directions agree, 0 black to 1 white; from the middle on a pixel is no occlusion.",
    ),
]


@with_estimator_options
@with_remote_files
def estimate(
    inputs: options.InputsOrPairs = None,
    pairs: PairsPath = None,
    output: options.FlowPath = None,
    viz: options.VizPath = None,
    occlusion: options.OcclusionPath = None,
    confidence: ConfidencePath = None,
    format: options.FlowFormat = None,
    bound: format_options.Bound = 20.0,
    layout: format_options.ClipLayout = "thwc",
    dtype: format_options.Dtype = "float32",
    audio: format_options.Audio = "none",
    raw: Raw = False,
    backward: options.Backward = False,
    view: PagePath = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
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
    legend_at: options.LegendAt = "auto",
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
    from flowcli.cli.streams import write_binary
    from flowcli.errors import OutputError, UsageError
    from flowcli.io.flow.storage import FlowStorage
    from flowcli.io.own_results import describe_left_out
    from flowcli.io.sources import open_source
    from flowcli.jobs.one_input import InputJob
    from flowcli.jobs.resume import check_resumable, find_interrupted
    from flowcli.jobs.settings import BatchSettings
    from flowcli.output.inputs import InputFiles
    from flowcli.output.plan import plan_outputs
    from flowcli.output.stream import ByteStream
    from flowcli.output.writer import Appearance
    from flowcli.viz.scale import check_scale

    # Everything that can be wrong with the request is found before the network is loaded.
    look = Appearance(style, scale, legend or legend_at != "auto", legend_at)
    target, rate = options.read_resize(resize), options.read_fps(fps)
    selection = options.read_selection(start, end, stride)
    storage = FlowStorage(bound, layout, dtype)
    settings = BatchSettings(
        selection=selection,
        fps=rate,
        resize=target,
        look=look,
        same_length=same_length,
        values=options.read_range(range),
        strict=strict,
        storage=storage,
        sound=audio == "copy",
    )
    if scale is not None:
        check_scale(scale)
    if pairs is not None:
        from flowcli.output.listed import plan_listed

        given = {"INPUT": inputs, "--start": start, "--end": end, "--stride": stride != 1, "--same-length": same_length}
        given |= {"--strict": strict, "--size": size, "--fps": fps, "--audio": audio != "none", "--raw": raw}
        refuse_for_pairs(given | {"--view": view})
        listed = plan_listed(output, viz, occlusion, confidence, backward=backward, flow_format=format, storage=storage)
        estimate_listed(pairs, listed, settings, estimator_options, overwrite=overwrite, resume=resume, json=json)
        return
    if not inputs:
        raise UsageError("expected INPUT..., two images or one sequence, or --pairs LIST.csv; got neither")
    source = open_source(
        inputs,
        selection=selection,
        size=options.read_size(size),
        fps=rate,
        # Unbuffered: a thread that waits in it must not hold a lock when the program ends.
        stdin=getattr(sys.stdin.buffer, "raw", sys.stdin.buffer),
        same_length=same_length,
        values=options.read_range(range),
        strict=strict,
    )
    for note in source.notes:
        message(note)
    plan = plan_outputs(
        source,
        output,
        viz,
        occlusion,
        backward=backward,
        flow_format=format,
        confidence=confidence,
        storage=storage,
        sound=audio == "copy",
    )
    target.target(source.size)
    read = InputFiles(source.paths)
    if not source.paths:
        read.add_stream(sys.stdin.buffer)
    if resume:
        check_resumable(plan, source)
    elif not overwrite and (folder := find_interrupted(plan)) is not None:
        raise OutputError(
            f"{folder}: an estimate was interrupted there; --resume goes on with it, --overwrite begins anew"
        )
    plan.check(source, read, overwrite=overwrite or resume)
    page = None
    if view is not None:
        from flowcli.cli.view_pairs import EstimatePage

        page = EstimatePage(view, source, plan, read, overwrite=overwrite, resume=resume)
    stream = ByteStream(write_binary, raw) if plan.has_stream else None
    if raw and stream is None:
        raise UsageError("--raw is for standard output: -o - or -v -")
    if stream is not None and json:
        raise UsageError("--json cannot go where the results go, to standard output; name a file with -o or -v")
    if stream is not None and sys.stdout.isatty():
        raise UsageError("standard output takes binary results here, and is a terminal; pipe it, or name a file")
    job = InputJob(source, plan, settings, stream)
    if (left_out := describe_left_out(inputs)) is not None:
        message(left_out)

    began = time.monotonic()
    estimator = build_estimator(estimator_options)
    watch = None if page is None else page.add
    with closing(job.run(estimator, overwrite=overwrite, resume=resume, watch=watch)) as running:
        for _ in progress(running, total=source.count, description=source.stem):
            pass
    outputs = [str(destination.path) for destination in plan.destinations if not destination.is_stream]
    files = [str(path) for path in job.files]
    if page is not None:
        for note in page.write(estimator, source.stem):
            message(note)
        outputs.append(str(page.path))
        files.append(str(page.path))
    if json:
        height, width = source.size
        print_json(
            {
                "outputs": outputs,
                "files": files,
                "pairs": job.done,
                "size": {"width": width, "height": height},
                "seconds": round(time.monotonic() - began, 3),
                "scale": job.scale.value if plan.has_pictures else None,
                "settings": estimator.settings,
                "fault": None if job.fault is None else str(job.fault),
            }
        )
    else:
        for path in outputs if stream is None else ():
            print_result(path)
    if job.fault is not None:
        raise job.fault
