"""Options about the insides of files: which array is the flow, and what an output holds beside its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli.options import FILES, FORMAT_NAMES, JOINED_VIDEOS, PICTURES_OF_A_PAIR
from flowcli.io.flow import two_stream
from flowcli.io.flow.clips import CLIP_FORMATS

if TYPE_CHECKING:
    from flowcli.io.flow.layout import ArrayChoice

CLIP_NAMES = ", ".join(CLIP_FORMATS)

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
Bound = Annotated[
    float,
    typer.Option(
        "--bound",
        metavar="PX",
        rich_help_panel=FILES,
        help=f"Of {two_stream.NAME}: pixels that become 0 (minus) and 255.",
    ),
]
ClipLayout = Annotated[
    str,
    typer.Option(
        "--layout",
        metavar="thwc|tchw",
        rich_help_panel=FILES,
        help="Axes of one array of all flow: (T, H, W, 2) or (T, 2, H, W).",
    ),
]
Dtype = Annotated[
    str,
    typer.Option("--dtype", metavar="float32|float16", rich_help_panel=FILES, help="Numbers in one array of all flow."),
]
Audio = Annotated[
    Literal["none", "copy"],
    typer.Option("--audio", rich_help_panel=FILES, help="Sound of the film beside the pictures of a video."),
]

BatchFormat = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", rich_help_panel=FILES, help=f"Write flow files: {FORMAT_NAMES}; {CLIP_NAMES}."
    ),
]
BatchVizFormat = Annotated[
    str | None,
    typer.Option(
        "-v",
        "--viz-format",
        metavar="NAME",
        rich_help_panel=FILES,
        help=f"Write pictures: {JOINED_VIDEOS} per sequence; {PICTURES_OF_A_PAIR.replace('.', '')} per pair. "
        "Default: mp4 where neither this nor --format is given; a pair of a list then gets .flo and .png.",
    ),
]


def read_array_choice(key: str | None, layout: str | None) -> ArrayChoice | None:
    """Return what --key and --layout say of arrays, None if nothing; raises UsageError."""
    from flowcli.io.flow.layout import ArrayChoice

    return None if key is None and layout is None else ArrayChoice(key, layout)
