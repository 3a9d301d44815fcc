"""`flowcli demo`: known motion rendered, estimated and compared, in one command without input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowcli.cli import options
from flowcli.cli.estimator_options import build_estimator, with_estimator_options
from flowcli.cli.limits import check_seed
from flowcli.options import EstimatorOptions


@with_estimator_options
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for frames, flow and pictures.")
    ] = Path("flowcli-demo"),
    size: options.Size = "448x320",
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", callback=check_seed, help="Another scene for every number.")
    ] = 21,
    estimator_options: EstimatorOptions = EstimatorOptions(),
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Render a frame pair with known motion, estimate its flow, and show how close it came.

    Writes frame1.png, frame2.png, flow.flo, truth.flo, flow.png, truth.png and demo.png (frame, truth, estimate and
    error), and prints the endpoint error beside that of no motion at all.
    """
    import time

    from flowcli.cli.console import message, print_json, print_result
    from flowcli.errors import OutputError
    from flowcli.io.atomic import check_writable

    frame_size = options.read_size(size)
    assert frame_size is not None
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: expected a folder to write to, {error.strerror}") from None
    names = ("frame1.png", "frame2.png", "flow.flo", "truth.flo", "flow.png", "truth.png", "demo.png")
    paths = {name: output / name for name in names}
    for path in paths.values():
        check_writable(path, overwrite)

    from flowcli.evaluation.comparison import draw_comparison
    from flowcli.evaluation.metrics import measure
    from flowcli.flow import FlowField
    from flowcli.io.flow import write_flow
    from flowcli.io.image import write_image, write_result
    from flowcli.training.scene import make_scene
    from flowcli.viz import choose_scale, render

    estimator = build_estimator(estimator_options)
    scene = make_scene(frame_size, seed)
    began = time.monotonic()
    estimate = estimator.flow(scene.frame1, scene.frame2)
    seconds = time.monotonic() - began
    error = measure(estimate, scene.truth).value("epe")
    still = measure(FlowField(scene.truth.uv * 0), scene.truth).value("epe")
    scale = choose_scale(scene.truth)
    write_image(paths["frame1.png"], scene.frame1)
    write_image(paths["frame2.png"], scene.frame2)
    write_flow(paths["flow.flo"], estimate)
    write_flow(paths["truth.flo"], scene.truth)
    write_result(paths["flow.png"], render(estimate, scale=scale, legend=True))
    write_result(paths["truth.png"], render(scene.truth, scale=scale, legend=True))
    write_result(
        paths["demo.png"], draw_comparison(scene.frame1, scene.truth, estimate, estimator_options.model, f"demo {seed}")
    )
    height, width = frame_size
    message(f"{width}x{height}: endpoint error {error:.3f} px, {still:.3f} px for no motion; {seconds:.2f} s")
    if json:
        print_json(
            {
                "outputs": [str(path) for path in paths.values()],
                "endpoint_error": error,
                "endpoint_error_of_zero": still,
                "seconds": round(seconds, 3),
                "settings": estimator.settings,
            }
        )
    else:
        for path in paths.values():
            print_result(str(path))
