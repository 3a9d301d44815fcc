"""Options about the page to look into flow."""

from __future__ import annotations

from typing import Annotated

import typer

from flowcli.cli.options import FILES

PAGE = "Page"

PagePath = Annotated[
    str | None,
    typer.Option(
        "--view",
        metavar="FILE.html",
        rich_help_panel=FILES,
        help="One page to look into the flow, as `flowcli view` makes it; with --backward also what is occluded.",
    ),
]
SizeLimit = Annotated[
    float,
    typer.Option(
        "--size-limit",
        metavar="MB",
        rich_help_panel=PAGE,
        help="How large the page may be. Long clips are thinned out or halved in size, and the page says so.",
    ),
]
