"""`flowcli stats`: how much moves in many clips, as one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli import engine_options, options
from flowcli.cli.estimator_options import with_estimator_options
from flowcli.motion.options import CAMERAS
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    Camera = str
else:
    Camera = Literal[CAMERAS]

MOTION = "Motion"

Moving = Annotated[
    float,
    typer.Option(
        "--moving", metavar="PX", rich_help_panel=MOTION, help="Length from which on a pixel counts as moving."
    ),
]
CameraModel = Annotated[
    Camera, typer.Option("--camera", rich_help_panel=MOTION, help="Model of the camera's motion, fitted by RANSAC.")
]
Consistency = Annotated[
    bool,
    typer.Option(
        "--consistency/--no-consistency",
        rich_help_panel=MOTION,
        help="Estimate the backward flow too, for the share that both directions agree on.",
    ),
]
SampleFps = Annotated[
    str | None,
    typer.Option(
        "--sample-fps",
        metavar="RATE",
        rich_help_panel=options.FRAMES,
        help="Take about so many frames per second, instead of --stride: every round(rate of the input / RATE)-th.",
    ),
]
PerClip = Annotated[
    bool, typer.Option("--per-clip", rich_help_panel=MOTION, help="A row per clip instead of one per pair.")
]


def _print_columns(wanted: bool) -> None:
    if wanted:
        from flowcli.cli.console import print_result
        from flowcli.motion.columns import format_columns

        print_result(format_columns())
        raise typer.Exit


@with_estimator_options
def stats(
    inputs: options.BatchInputs,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="P",
            rich_help_panel=options.FILES,
            help="The table: .csv, .jsonl or .parquet. Default: CSV on standard output, without a journal.",
        ),
    ] = None,
    columns: Annotated[
        bool,
        typer.Option(
            "--columns", callback=_print_columns, is_eager=True, help="List the columns with their formulas and exit."
        ),
    ] = False,
    per_clip: PerClip = False,
    moving: Moving = 1.0,
    camera: CameraModel = "affine",
    consistency: Consistency = True,
    keep_going: options.KeepGoing = True,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    sample_fps: SampleFps = None,
    range: options.Range = "auto",
    strict: options.Strict = False,
    resize: options.ResizeTo = None,
    fps: options.Fps = None,
    estimator_options: EstimatorOptions = EstimatorOptions(),
    jobs: options.Jobs = 1,
    shard: options.ShardOf = None,
    engine: engine_options.EngineName = "local",
    address: engine_options.Address = None,
    workers: engine_options.Workers = None,
    gpus_per_worker: engine_options.GpusPerWorker = None,
) -> None:
    """Measure the motion in videos, folders or pairs: one row per pair, or per clip.

    Lengths (mean, median, p95, the fastest 5 %) in pixels and as shares of the diagonal, what moves, camera motion and
    what is left without it, scene cuts; --columns lists all with their formulas. As in a batch, the same command goes
    on where the last one stopped (the folder .NAME.flowcli beside the table knows), inputs that have changed are
    measured again, and a bad input stops nothing. For statistics beside flow or pictures, from one estimate: `flowcli
    batch --stats`.
    """
    import tempfile
    from contextlib import ExitStack

    from flowcli.cli.batch_run import BatchRequest, run_batch
    from flowcli.cli.console import message, print_json, print_result
    from flowcli.errors import UsageError
    from flowcli.jobs.engines import EngineChoice
    from flowcli.jobs.motion_table import MotionTable, check_table_place
    from flowcli.jobs.plan import plan_batch
    from flowcli.jobs.settings import BatchSettings
    from flowcli.motion.options import MotionOptions
    from flowcli.output.inputs import InputFiles

    settings = BatchSettings(
        selection=options.read_selection(start, end, stride, sample_fps),
        fps=options.read_fps(fps),
        resize=options.read_resize(resize),
        values=options.read_range(range),
        strict=strict,
        motion=MotionOptions(moving, camera, consistency),
    )
    part = options.read_shard(shard)
    choice = EngineChoice(engine, jobs, address, workers, gpus_per_worker)
    with ExitStack() as stack:
        if output is None:
            if shard is not None:
                raise UsageError("--shard needs a table that all parts know; name it with -o")
            if engine == "ray":
                raise UsageError("--engine ray needs a folder that all machines see; name a table in it with -o")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowcli-stats-")))
        else:
            folder = output.with_name(f".{output.name}.flowcli")
            check_table_place(output, folder, overwrite=overwrite)
        items = plan_batch(inputs, folder, message)
        if output is not None:
            InputFiles(Path(text) for text in inputs).check_file(output)
        request = BatchRequest(items, settings, folder, part, choice, keep_going, overwrite)
        report = run_batch(request, estimator_options, description="stats")
        table = MotionTable(items, folder, per_clip)
        if output is not None:
            table.write(output, report.outcomes)
        if json:
            plain = report.as_plain()
            for item in plain["items"] if output is None else ():  # pyright: ignore[reportGeneralTypeIssues]
                item |= {"outputs": [], "files": []}
            rows = {"rows": list(table.rows(report.outcomes))} if output is None else {"files": [str(output)]}
            print_json(plain | rows)
        else:
            print_result(table.as_csv(report.outcomes) if output is None else str(output))
        report.tell_faults()
