"""`flowcli bench`: seconds, memory and arithmetic of the network on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.benchmark.cases import RIVALS
from flowcli.cli import options
from flowcli.cli.bench_suite import (
    ChartPath,
    SuitePairs,
    SuiteParts,
    SuiteScope,
    bench_suite,
    read_parts,
    refuse_with_suite,
    refuse_without_suite,
)
from flowcli.cli.limits import check_memory
from flowcli.errors import UsageError
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from flowcli.benchmark.cases import Rival as Against
else:
    Against = Literal[RIVALS]


def check_ceilings(values: list[float] | None) -> list[float] | None:
    """Check each as --memory is."""
    for value in values or ():
        check_memory(value)
    return values


def _single(name: str, value: list[str] | int) -> str | int:
    if isinstance(value, list) and len(value) > 1:
        raise UsageError(f"expected {name} once with --ceiling, got {len(value)}")
    return value[0] if isinstance(value, list) else value


def bench(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="M",
            rich_help_panel=options.MODEL,
            help="compact, perceiver-io or a checkpoint file; repeatable. Default compact.",
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            metavar="WxH",
            rich_help_panel=options.FRAMES,
            help="Whole pairs of this size as well, in pixels; repeatable.",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", metavar="P", rich_help_panel=options.SPEED, help="auto, fp32 or bf16; repeatable."),
    ] = None,
    kernels: Annotated[
        list[str] | None,
        typer.Option(
            "--kernels",
            metavar="K",
            rich_help_panel=options.SPEED,
            help="auto, compiled (`flowcli compile`) or torch; repeatable.",
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "--preset",
            metavar="P",
            rich_help_panel=options.MODEL,
            help="fast, balanced or best (compact only); repeatable.",
        ),
    ] = None,
    against: Annotated[
        Against | None,
        typer.Option(
            "--against",
            rich_help_panel=options.MODEL,
            help="Take turns with another program: transformers or the unfolded reference on one tile, or "
            "OpenCV's DIS on the whole pairs.",
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            "--repeats",
            min=1,
            metavar="N",
            rich_help_panel=options.SPEED,
            show_default="3, or the suite's own",
            help="Timed runs.",
        ),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    memory: options.Memory = None,
    ceiling: Annotated[
        list[float] | None,
        typer.Option(
            "--ceiling",
            metavar="GIB",
            rich_help_panel=options.SPEED,
            callback=check_ceilings,
            help="Instead: whole commands, estimate and batch, with such a --memory each, asked against held; "
            "repeatable. Sizes: --size, or 1080p, 4K and 8K.",
        ),
    ] = None,
    suite: SuiteScope = None,
    part: SuiteParts = None,
    pairs: SuitePairs = None,
    chart: ChartPath = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Measure seconds, CPU-seconds, peak memory and GFLOP, per stage of the network and per pair."""
    from flowcli.benchmark.plan import Request, run_benchmark
    from flowcli.benchmark.report import format_report
    from flowcli.cli.console import message, print_json, print_result

    # They say themselves what they do not take.
    for value in preset or []:
        EstimatorOptions(preset=value)
    for value in kernels or []:
        EstimatorOptions(kernels=value)
    for value in precision or []:
        EstimatorOptions(precision=value)
    chosen = [parsed for text in size or [] if (parsed := options.read_size(text)) is not None]
    only_suite = {"--part": part, "--pairs": pairs, "--chart": chart, "--overwrite": overwrite}
    if suite is None:
        refuse_without_suite(only_suite)
    else:
        from flowcli.suite.run import SuiteRequest

        given = {"--precision": precision, "--kernels": kernels, "--against": against, "--memory": memory}
        refuse_with_suite(given | {"--ceiling": ceiling})
        asked = SuiteRequest(
            suite, read_parts(part), model or (), preset or (), chosen, repeats, pairs, threads, device
        )
        bench_suite(asked, chart, overwrite=overwrite, json=json)
        return
    if ceiling:
        from dataclasses import asdict

        from flowcli.benchmark.ceilings import SIZES, format_ceilings, measure_ceilings

        given = [("--model", model), ("--preset", preset), ("--threads", threads)]
        flags = [text for name, value in given if value for text in (name, str(_single(name, value)))]
        peaks = measure_ceilings(chosen or SIZES, ceiling, flags, announce=message)
        if json:
            print_json([asdict(peak) for peak in peaks])
        else:
            print_result(format_ceilings(peaks))
        return
    request = Request(
        models=model or ["compact"],
        sizes=chosen,
        precisions=precision or ["auto"],
        rival=against,
        device=device,
        threads=threads,
        memory=memory,
        repeats=repeats or 3,
        presets=preset or [None],
        kernels=kernels or ["auto"],
    )
    report = run_benchmark(request, announce=message)
    if json:
        print_json(report)
    else:
        print_result(format_report(report))
