"""`flowcli warp`: frames moved by a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowcli.cli import options
from flowcli.io.video.formats import VIDEO_FORMATS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowcli.flow import FlowField, Frame
    from flowcli.jobs.shots import Shot


def warp(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow file; or a folder or quoted glob of several.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="The second frame, or with --forward the first; both for --time between them. For several flows a "
            "folder, a glob or a video with one frame more.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="P",
            rich_help_panel=options.FILES,
            help=f"A picture ({options.PICTURES_OF_A_PAIR}); for several flows a folder/ or a video "
            f"({' '.join(VIDEO_FORMATS)}).",
        ),
    ],
    forward: Annotated[
        bool, typer.Option("--forward", help="Send the first frame ahead instead of bringing the second one back.")
    ] = False,
    time: Annotated[
        float | None,
        typer.Option(
            "--time",
            metavar="T",
            min=0,
            max=1,
            help="The moment to show: 0 is the first frame, 1 the second, 0.5 halfway. Default 0, with --forward 1.",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="P",
            rich_help_panel=options.FILES,
            help="A picture, white where the result has content; black are holes, the outside and unknown flow.",
        ),
    ] = None,
    fps: options.Fps = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Bring the second frame back to the first, send the first ahead, or show a moment between them.

    Back: each pixel looks up where the flow leads, bilinear. --forward: softmax splatting (Niklaus & Liu, CVPR 2020);
    where several pixels meet, the one that the second frame shows counts, or, if that is not given, the fastest. --time
    with both frames: both are looked up along the flow and blended (Middlebury's algorithm, Baker et al., IJCV 2011).
    """
    from contextlib import ExitStack

    import numpy as np

    from flowcli import __version__
    from flowcli.cli.console import print_json, print_result, progress
    from flowcli.errors import InputError, UsageError
    from flowcli.io.flow import read_flow
    from flowcli.io.flow.listing import list_flows, name_results
    from flowcli.jobs.shots import Shots
    from flowcli.output.destination import picture_destination
    from flowcli.output.inputs import InputFiles
    from flowcli.output.sinks import open_picture_sink

    paths = list_flows([flow])
    names = name_results(paths)
    destinations = [picture_destination(text) for text in (output, mask) if text is not None]
    for destination in destinations:
        if len(names) > 1 and not (destination.is_folder or destination.is_video):
            raise UsageError(f"{destination.path}: expected a folder/ or a video for {len(names)} flow files, got one")
    if len({destination.file("") for destination in destinations}) < len(destinations):
        raise UsageError(f"{output}: named for two outputs; give each its own name")
    shots = Shots(images, len(paths), options.read_fps(fps))
    if len(paths) == 1 and len(images) == 2 and time is None and not forward:
        raise UsageError("two frames: say --time T for the moment between them, or give the second alone")
    read = InputFiles([*paths, *shots.paths])
    for destination in destinations:
        read.check(destination, (destination.file(name) for name in names))
        destination.check(names, overwrite=overwrite)
    comment = (
        f"flowcli {__version__}, warp{' --forward' if forward else ''}{'' if time is None else f' --time {time:g}'}"
    )
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(
                open_picture_sink(place, fps=shots.fps, aspect=shots.aspect, comment=comment, overwrite=overwrite)
            )
            for place in destinations
        ]
        rows = zip(paths, names, shots, strict=True)
        for path, name, shot in progress(rows, total=len(paths), description="warp", unit="flow"):
            try:
                picture, reached = _move(read_flow(path), shot, forward=forward, time=time)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            white = np.repeat(np.where(reached, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
            for sink, frame in zip(sinks, (picture, white), strict=False):
                sink.write(name, frame, shot.time, shot.duration)
    files = list(dict.fromkeys(str(place.file(name)) for place in destinations for name in names))
    if json:
        print_json({"outputs": [str(place.path) for place in destinations], "files": files, "pictures": len(names)})
    else:
        for place in destinations:
            print_result(str(place.path))


def _move(field: FlowField, shot: Shot, *, forward: bool, time: float | None) -> tuple[Frame, NDArray[np.bool_]]:
    import numpy as np

    from flowcli.warping.between import interpolate, warp_to
    from flowcli.warping.splat import warp_forward

    assert shot.frame is not None
    if forward:
        return warp_forward(shot.frame, field, 1.0 if time is None else time, shot.frame2)
    if shot.frame2 is None or time is None:
        # A single image is the second frame.
        return warp_to(shot.frame if shot.frame2 is None else shot.frame2, field, time or 0.0)
    return interpolate(shot.frame, shot.frame2, field, time), np.ones(field.size, bool)
