"""`flowcli render`: pictures or a video from flow files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli import format_options, options
from flowcli.io.video.formats import VIDEO_FORMATS

if TYPE_CHECKING:
    from flowcli.output.destination import Destination

# So many flow files, spread evenly, are read beforehand to choose one scale for all.
SCALE_SAMPLES = 16


def render(
    flows: Annotated[
        list[str], typer.Argument(metavar="FLOW...", help="Flow files, a folder of them, or a quoted glob.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="P",
            rich_help_panel=options.FILES,
            help=f"A picture ({options.PICTURES_OF_A_PAIR}), a folder/ of them, or a video "
            f"({' '.join(VIDEO_FORMATS)}). "
            "Default for one flow: NAME.flow.png here.",
        ),
    ] = None,
    frames: Annotated[
        list[str] | None,
        typer.Option(
            "--frames",
            metavar="P",
            rich_help_panel=options.FILES,
            help="The frames that the flow belongs to: images (repeat the option), a folder, a glob or a video; one "
            "more than flow files. For one flow its first frame will do, except for warp.",
        ),
    ] = None,
    key: format_options.ArrayKey = None,
    layout: format_options.ArrayLayout = None,
    start: options.Start = None,
    end: options.End = None,
    stride: options.Stride = 1,
    style: options.StyleName = "wheel",
    scale: options.Scale = None,
    legend: options.Legend = False,
    legend_at: options.LegendAt = "auto",
    fps: options.Fps = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Draw flow files as pictures or as a video."""
    from flowcli import __version__, viz
    from flowcli.cli.console import message, print_json, print_result, progress
    from flowcli.errors import InputError, UsageError
    from flowcli.io.flow import find_format
    from flowcli.io.flow.listing import list_flows, name_results
    from flowcli.io.frames import Selection
    from flowcli.io.own_results import describe_left_out
    from flowcli.jobs.shots import Shots
    from flowcli.output.inputs import InputFiles
    from flowcli.output.sinks import open_picture_sink
    from flowcli.viz.scale import check_scale, choose_common_scale

    paths = list_flows(flows)
    choice = format_options.read_array_choice(key, layout)
    names = name_results(paths)
    destination = _choose_destination(output, names)
    row = viz.check_style(style)
    if row.frames and row.frames_needed and not frames:
        raise UsageError(f"the style {style} is drawn on frames, got none; name them with --frames")
    if scale is not None:
        check_scale(scale)
    selection = options.read_selection(start, end, stride)
    if not frames and selection != Selection():
        raise UsageError("--start, --end and --stride choose among the frames; name those with --frames")
    shots = Shots(frames or [], len(paths), options.read_fps(fps), selection)
    read = InputFiles([*paths, *shots.paths])
    read.check(destination, (destination.file(name) for name in names))
    destination.check(names, overwrite=overwrite)
    if (left_out := describe_left_out(frames or [])) is not None:
        message(left_out)
    if scale is None:
        step = -(-len(paths) // SCALE_SAMPLES)
        scale = choose_common_scale(find_format(path).read(path, choice) for path in paths[step // 2 :: step])
    comment = f"flowcli {__version__}, style {style}, scale {scale:g} px"
    size: tuple[int, int] | None = None
    sink = open_picture_sink(destination, fps=shots.fps, aspect=shots.aspect, comment=comment, overwrite=overwrite)
    with sink:
        drawn = zip(paths, names, shots, strict=True)
        for path, name, shot in progress(drawn, total=len(paths), description="render", unit="flow"):
            field = find_format(path).read(path, choice)
            size = size or field.size
            if field.size != size and destination.is_video:
                (height, width), (first_height, first_width) = field.size, size
                raise InputError(
                    f"{path}: expected {first_width}x{first_height} as the first flow of the video, "
                    f"found {width}x{height}; name a folder/ for flow of several sizes"
                )
            picture = viz.render(
                field, style, scale, legend or legend_at != "auto", shot.frame, shot.frame2, place=legend_at
            )
            sink.write(name, picture, shot.time, shot.duration)
    if json:
        print_json({"outputs": [str(destination.path)], "pictures": len(paths), "style": style, "scale": scale})
    else:
        print_result(str(destination.path))


def _choose_destination(output: str | None, names: list[str]) -> Destination:
    from flowcli.errors import UsageError
    from flowcli.output.destination import picture_destination

    if output is None:
        if len(names) > 1:
            raise UsageError(f"say where {len(names)} pictures go: -o NAME.mp4 for a video, or -o FOLDER/")
        output = f"{names[0]}.flow.png"
    destination = picture_destination(output)
    if len(names) > 1 and not destination.is_folder and not destination.is_video:
        raise UsageError(f"{output}: expected a folder/ or a video for {len(names)} flow files, got one picture")
    return destination
