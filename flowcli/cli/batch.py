"""`flowcli batch`: many inputs into one folder, with a journal that lets the same command continue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli import engine_options, format_options, options
from flowcli.cli.estimator_options import with_estimator_options
from flowcli.cli.stats import CameraModel, Consistency, Moving, PerClip, SampleFps
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowcli.cli.batch_run import BatchRequest
    from flowcli.jobs.outcome import Outcome

BatchConfidence = Annotated[
    bool,
    typer.Option("--confidence", rich_help_panel=options.FILES, help="Write maps of how well both directions agree."),
]
BatchStats = Annotated[
    Path | None,
    typer.Option(
        "--stats",
        metavar="P",
        rich_help_panel=options.FILES,
        help="Motion statistics of all inputs as one table, .csv, .jsonl or .parquet, and NAME.stats.jsonl of each; "
        "see flowcli stats.",
    ),
]


@with_estimator_options
def batch(
    inputs: options.BatchInputs,
    output: options.BatchFolder,
    format: format_options.BatchFormat = None,
    bound: format_options.Bound = 20.0,
    layout: format_options.ClipLayout = "thwc",
    dtype: format_options.Dtype = "float32",
    audio: format_options.Audio = "none",
    viz_format: format_options.BatchVizFormat = None,
    backward: options.Backward = False,
    occlusion: options.BatchOcclusion = False,
    confidence: BatchConfidence = False,
    stats: BatchStats = None,
    per_clip: PerClip = False,
    moving: Moving = 1.0,
    camera: CameraModel = "affine",
    consistency: Consistency = True,
    keep_going: options.KeepGoing = True,
    overwrite: options.BatchOverwrite = False,
    json: options.Json = False,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    sample_fps: SampleFps = None,
    same_length: options.SameLength = False,
    range: options.Range = "auto",
    strict: options.Strict = False,
    resize: options.ResizeTo = None,
    fps: options.Fps = None,
    style: options.StyleName = "wheel",
    scale: options.Scale = None,
    legend: options.Legend = False,
    legend_at: options.LegendAt = "auto",
    estimator_options: EstimatorOptions = EstimatorOptions(),
    jobs: options.Jobs = 1,
    shard: options.ShardOf = None,
    engine: engine_options.EngineName = "local",
    address: engine_options.Address = None,
    workers: engine_options.Workers = None,
    gpus_per_worker: engine_options.GpusPerWorker = None,
) -> None:
    """Estimate the flow of many videos, folders or pairs.

    The same command continues where the last run stopped, and does again the inputs that have changed. Other outputs
    are added beside; results of other settings or weights are replaced with --overwrite only. A bad input does not stop
    the others; it is listed at the end, keeps the result it had, and the exit code is 1. Several machines share the
    work on one folder with --shard 1/N to --shard N/N, at once or one after the other, or with --engine ray.
    """
    from contextlib import nullcontext

    from flowcli.cli.batch_run import BatchRequest
    from flowcli.cli.console import message, print_result, rename_results
    from flowcli.io.flow.storage import FlowStorage
    from flowcli.io.remote import is_remote
    from flowcli.jobs.clashes import check_outputs
    from flowcli.jobs.engines import EngineChoice
    from flowcli.jobs.motion_table import check_table_place
    from flowcli.jobs.plan import plan_batch
    from flowcli.jobs.remote import RemoteFolder
    from flowcli.jobs.settings import BatchSettings
    from flowcli.motion.options import MotionOptions
    from flowcli.output.inputs import InputFiles
    from flowcli.output.plan import find_batch_picture_suffix, find_kind
    from flowcli.output.writer import Appearance
    from flowcli.viz.scale import check_scale

    # Everything that can be wrong with the request is found before the network is loaded.
    by_default = format is None and viz_format is None and stats is None
    flow_suffix = None if format is None else find_kind(format)
    settings = BatchSettings(
        flow_suffix,
        ".flo" if by_default else flow_suffix,
        ".mp4" if by_default else None if viz_format is None else find_batch_picture_suffix(viz_format),
        backward,
        occlusion,
        options.read_selection(start, end, stride, sample_fps),
        options.read_fps(fps),
        options.read_resize(resize),
        Appearance(style, scale, legend or legend_at != "auto", legend_at),
        same_length,
        options.read_range(range),
        strict,
        None if stats is None else MotionOptions(moving, camera, consistency),
        confidence,
        FlowStorage(bound, layout, dtype),
        audio == "copy",
    )
    settings.check()
    if scale is not None:
        check_scale(scale)
    elsewhere = RemoteFolder(output, overwrite=overwrite) if is_remote(output) else None
    folder = Path(output) if elsewhere is None else elsewhere.work
    if stats is not None:
        check_table_place(stats, folder, overwrite=overwrite)
        InputFiles(Path(text) for text in inputs).check_file(stats)
    items = plan_batch(inputs, folder, message)
    check_outputs(items, settings, folder)

    def show(outcome: Outcome) -> None:
        if elsewhere is not None:
            elsewhere.send(outcome.outputs)
        for path in () if json else outcome.outputs:
            print_result(str(path))

    part = options.read_shard(shard)
    choice = EngineChoice(engine, jobs, address, workers, gpus_per_worker)
    request = BatchRequest(items, settings, folder, part, choice, keep_going, overwrite)
    with nullcontext() if elsewhere is None else rename_results(elsewhere.rename):
        try:
            _run(request, estimator_options, show, (stats, per_clip), json=json)
        finally:
            if elsewhere is not None:
                elsewhere.close()


def _run(
    request: BatchRequest,
    estimator_options: EstimatorOptions,
    show: Callable[[Outcome], None],
    table: tuple[Path | None, bool],
    *,
    json: bool,
) -> None:
    from flowcli.cli.batch_run import run_batch
    from flowcli.cli.console import print_json, print_result
    from flowcli.jobs.motion_table import MotionTable

    stats, per_clip = table
    report = run_batch(request, estimator_options, show)
    if stats is not None:
        MotionTable(request.items, request.folder, per_clip).write(stats, report.outcomes)
    if json:
        print_json(report.as_plain() | ({} if stats is None else {"stats": str(stats)}))
    elif stats is not None:
        print_result(str(stats))
    report.tell_faults()
