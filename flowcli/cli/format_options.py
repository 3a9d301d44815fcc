"""Options about the insides of files: which array is the flow, and what an output holds beside its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli.options import FILES

if TYPE_CHECKING:
    from flowcli.io.flow.layout import ArrayChoice

ArrayKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="NAME",
        rich_help_panel=FILES,
        help="The array in an .npz that is the flow, or two: u,v. Known without it: uv, flow, arr_0, u and v.",
    ),
]
ArrayLayout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="hwc|chw",
        rich_help_panel=FILES,
        help="Axes of the array in an .npy or .npz: (H, W, 2) or (2, H, W). Default: told by the shape.",
    ),
]


def read_array_choice(key: str | None, layout: str | None) -> ArrayChoice | None:
    """Return what --key and --layout say of arrays, None if nothing; raises UsageError."""
    from flowcli.io.flow.layout import ArrayChoice

    return None if key is None and layout is None else ArrayChoice(key, layout)
