"""`flowcli batch`: many inputs into one folder, with a journal that lets the same command continue."""

from __future__ import annotations

from flowcli.cli import format_options, options
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.options import EstimatorOptions


@with_estimator_options
def batch(
    inputs: options.BatchInputs,
    output: options.BatchFolder,
    format: options.BatchFormat = None,
    bound: format_options.Bound = 20.0,
    layout: format_options.ClipLayout = "thwc",
    dtype: format_options.Dtype = "float32",
    audio: format_options.Audio = "none",
    viz_format: options.BatchVizFormat = None,
    backward: options.Backward = False,
    occlusion: options.BatchOcclusion = False,
    keep_going: options.KeepGoing = True,
    overwrite: options.BatchOverwrite = False,
    json: options.Json = False,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    same_length: options.SameLength = False,
    range: options.Range = "auto",
    strict: options.Strict = False,
    resize: options.ResizeTo = None,
    fps: options.Fps = None,
    style: options.StyleName = "wheel",
    scale: options.Scale = None,
    legend: options.Legend = False,
    estimator_options: EstimatorOptions = EstimatorOptions(),
    jobs: options.Jobs = 1,
    shard: options.ShardOf = None,
) -> None:
    """Estimate the flow of many videos, folders or pairs.

    The same command continues where the last run stopped, and does again the inputs that have changed. Other outputs
    are added beside; results of other settings or weights are replaced with --overwrite only. A bad input does not stop
    the others; it is listed at the end, keeps the result it had, and the exit code is 1. Several machines share the
    work on one folder with --shard 1/N to --shard N/N, at once or one after the other.
    """
    import time
    from contextlib import closing
    from dataclasses import asdict
    from functools import partial
    from pathlib import Path

    from flowcli.cli.console import message, print_json, print_result, progress_bar
    from flowcli.errors import InputError
    from flowcli.io.flow.storage import FlowStorage
    from flowcli.io.remote import is_remote
    from flowcli.io.sources import expect_pairs
    from flowcli.jobs.batch import Batch
    from flowcli.jobs.clashes import check_outputs
    from flowcli.jobs.local import run_here
    from flowcli.jobs.plan import BatchItem, plan_batch
    from flowcli.jobs.pool import run_in_processes
    from flowcli.jobs.remote import RemoteFolder
    from flowcli.jobs.settings import BatchSettings
    from flowcli.output.plan import find_batch_picture_suffix, find_kind
    from flowcli.output.writer import Appearance
    from flowcli.viz.scale import check_scale

    # Everything that can be wrong with the request is found before the network is loaded.
    by_default = format is None and viz_format is None
    flow_suffix = None if format is None else find_kind(format)
    settings = BatchSettings(
        flow_suffix,
        ".flo" if by_default else flow_suffix,
        ".mp4" if by_default else None if viz_format is None else find_batch_picture_suffix(viz_format),
        backward,
        occlusion,
        options.read_selection(start, end, stride),
        options.read_fps(fps),
        options.read_resize(resize),
        Appearance(style, scale, legend),
        same_length,
        options.read_range(range),
        strict,
        FlowStorage(bound, layout, dtype),
        audio == "copy",
    )
    settings.check()
    if scale is not None:
        check_scale(scale)
    elsewhere = RemoteFolder(output, overwrite=overwrite) if is_remote(output) else None
    folder = Path(output) if elsewhere is None else elsewhere.work
    rename = str if elsewhere is None else elsewhere.rename
    items = plan_batch(inputs, folder, message)
    check_outputs(items, settings, folder)
    part = options.read_shard(shard)

    began = time.monotonic()
    estimator = build_estimator(estimator_options)
    described = estimator.settings
    engine = partial(run_here, estimator=estimator)
    if jobs > 1:
        # The workers build their own; this one has told its settings, which the journal needs.
        del estimator
        engine = partial(run_in_processes, options=estimator_options, number=jobs)

    def expect(item: BatchItem) -> int:
        return expect_pairs(item.inputs, settings.selection, settings.fps, settings.same_length)

    def notify(text: str) -> None:
        message(rename(text))

    work = Batch(items, settings, folder, described, part)
    with progress_bar("batch") as bar, closing(work.run(engine, expect, overwrite=overwrite, notify=notify)) as run:
        for outcome in run:
            if outcome is not None and elsewhere is not None:
                elsewhere.send(outcome.outputs)
            if outcome is not None and not json:
                for path in outcome.outputs:
                    print_result(rename(str(path)))
            bar.total = work.total
            bar.update(work.done - bar.n)
            if outcome is not None and outcome.fault is not None and not keep_going:
                break
    if json:
        print_json(
            {
                "items": [
                    asdict(outcome) | {"outputs": [rename(str(p)) for p in outcome.outputs]}
                    for outcome in work.outcomes
                ],
                "pairs": work.done,
                "seconds": round(time.monotonic() - began, 3),
                "settings": described,
            }
        )
    faults = [outcome for outcome in work.outcomes if outcome.fault is not None]
    for outcome in faults:
        message(f"{outcome.name}: {rename(outcome.fault or '')}")
    if faults:
        raise InputError(f"{len(faults)} of {work.size} inputs could not be used or not to their end; listed above")
