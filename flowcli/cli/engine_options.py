"""The options of an engine, for every command that works on a batch."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

ENGINE = "Engine"

EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        rich_help_panel=ENGINE,
        help="Who does the work: this machine, or the workers of a Ray cluster (pip install 'flowcli\\[ray]'), whose "
        "machines all see the inputs and the folder -o under the same names.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="A",
        rich_help_panel=ENGINE,
        show_default=False,
        help="Of the Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local for one of its own. Default: RAY_ADDRESS, "
        "else the cluster that this machine belongs to, else local.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        max=100_000,
        rich_help_panel=ENGINE,
        show_default="as many as fit",
        help="Ray workers; each has its share of the CPUs, or --threads.",
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        metavar="F",
        min=0,
        max=64,
        rich_help_panel=ENGINE,
        show_default="1 if there are any",
        help="Of a GPU per Ray worker, such as 0.25: four workers share one.",
    ),
]
