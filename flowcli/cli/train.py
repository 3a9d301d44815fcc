"""`flowcli train`: the compact network from synthetic pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowcli.cli import options


def train(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder of the run: state, log, curve and weights are kept there."
        ),
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="M", help="Start from these weights, a name or a file, instead of fresh ones."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE.toml", help="Settings that differ from the defaults; see --show-config."
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option("--photos", metavar="DIR", help="Folder of images to cut textures from, beside procedural ones."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help="Steps of the whole run; overrides the settings.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, metavar="M", help="Save and stop after M minutes; --resume goes on."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="Overrides the settings' seed.")
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the settings as JSON and exit.")] = False,
) -> None:
    """Train the compact network on synthetic frame pairs; interrupt at any time and continue with --resume.

    Writes DIR/state.pt, log.jsonl, curve.png and, after every save, weights.safetensors for --model.
    """
    import signal
    import time
    from dataclasses import replace

    from flowcli.cli.console import message, print_json, print_result
    from flowcli.io.frames import list_images
    from flowcli.training.config import TrainingConfig, read_toml

    settings = TrainingConfig.from_dict(read_toml(config)) if config else TrainingConfig()
    overrides = {name: value for name, value in (("steps", steps), ("seed", seed)) if value is not None}
    settings = replace(settings, **overrides)
    tensors = None
    if weights is not None and not resume:
        from flowcli.checkpoints import load_checkpoint

        checkpoint = load_checkpoint(weights)
        settings, tensors = replace(settings, model=checkpoint.config), checkpoint.tensors
    if show_config:
        print_json(settings.to_dict())
        return

    from flowcli.io.image import read_image
    from flowcli.training.results import prepare_folder

    prepare_folder(output, resume=resume)
    images = [read_image(path) for path in list_images(photos)] if photos else []

    import torch

    from flowcli.estimator.device import choose_device
    from flowcli.training.loop import train as run_training

    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    stopping = False

    def on_interrupt(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        message("flowcli: stopping after this step; continue with --resume")
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends it at once

    signal.signal(signal.SIGINT, on_interrupt)
    deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def report(row: dict[str, float]) -> None:
        message(
            f"step {row['step']:.0f} of {settings.steps}  loss {row['loss']:.4f}  "
            f"error / motion {row['ratio']:.4f}  {row['seconds_per_step']:.2f} s a step"
        )

    results = run_training(
        settings,
        output,
        images,
        choose_device(device),
        resume=resume,
        weights=tensors,
        report=report,
        stop=lambda: stopping or (deadline is not None and time.monotonic() > deadline),
    )
    for path in results:
        print_result(str(path))
