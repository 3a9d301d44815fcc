"""`flowcli train`: either embedded network from rendered pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowcli.cli import options
from flowcli.cli.limits import check_seed

if TYPE_CHECKING:
    from torch import Tensor

    from flowcli.training.config import TrainingConfig


def train(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder of the run: state, log, curve and weights are kept there."
        ),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, by its settings.")
    ] = False,
    network: Annotated[
        Literal["residual", "coarse"] | None,
        typer.Option(
            "--network",
            help="residual (default): what is left at every level; coarse: where an estimate starts. "
            "With --weights or --resume theirs.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="M", help="Start from these weights, a name or a file, instead of fresh ones."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE.toml",
            help="Settings that differ from the defaults, or from those of the run to resume; see --show-config.",
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
        int | None,
        typer.Option("--seed", metavar="N", callback=check_seed, help="Overrides the settings' seed."),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the settings as JSON and exit.")] = False,
) -> None:
    """Train a network on rendered frame pairs; interrupt at any time and continue with --resume.

    Writes DIR/state.pt, log.jsonl, curve.png and, after every save, weights.safetensors for --model.

    Started by torchrun, several processes train one network, each on its own GPU or its share of the CPU's threads.
    """
    import os
    import signal
    import time

    from flowcli.cli.console import message, print_json, print_result
    from flowcli.training.distributed import Launch, join

    with _one_voice(), join(Launch.from_environment(os.environ)) as processes:
        first = processes.rank == 0
        with processes.together():
            began = output / "state.pt" if resume else None
            settings, tensors = _read_settings(network, config, steps, seed, None if resume else weights, began)
        if show_config:
            if first:
                print_json(settings.to_dict())
            return

        from flowcli.io.frames import list_images
        from flowcli.io.image import read_image
        from flowcli.training.results import prepare_folder

        with processes.together():
            if first:
                prepare_folder(output, resume=resume)
            images = [read_image(path) for path in list_images(photos)] if photos else []

        import torch

        from flowcli.jobs.local import count_cores
        from flowcli.runtime.device import choose_device
        from flowcli.training.loop import train as run_training

        with processes.together():
            chosen = processes.device(choose_device(device))
        processes.require_equal({**settings.to_dict(), "device": chosen.type})
        if threads is None and chosen.type == "cpu" and processes.launch.local_count > 1:
            threads = max(1, count_cores() // processes.launch.local_count)
        if threads is not None:
            torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        stopping = False

        def on_interrupt(number: int, frame: object) -> None:
            nonlocal stopping
            stopping = True
            if first:
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
            chosen,
            resume=resume,
            weights=tensors,
            report=report,
            stop=lambda: stopping or (deadline is not None and time.monotonic() > deadline),
            processes=processes,
        )
    for path in results:
        print_result(str(path))


@contextmanager
def _one_voice() -> Iterator[None]:
    """Exit with 1, in silence, when another process has failed: it says why."""
    from flowcli.training.distributed import PeerError

    try:
        yield
    except PeerError:
        raise typer.Exit(1) from None


def _read_settings(
    network: str | None,
    config: Path | None,
    steps: int | None,
    seed: int | None,
    weights: str | None,
    began: Path | None,
) -> tuple[TrainingConfig, Mapping[str, Tensor] | None]:
    """Return the run's settings, by default those of the state `began`, and the weights to start from."""
    from dataclasses import replace

    from flowcli.errors import UsageError
    from flowcli.training.config import DEFAULTS, TrainingConfig, name_network, read_toml

    checkpoint = None
    base = DEFAULTS[network or "residual"]
    if weights is not None:
        from flowcli.checkpoints import load_checkpoint

        checkpoint = load_checkpoint(weights)
        base = DEFAULTS[name_network(checkpoint.config)]
    if began is not None:
        from flowcli.training.state import load_settings

        base = TrainingConfig.from_dict(load_settings(began))
    settings = TrainingConfig.from_dict(read_toml(config) if config else {}, base)
    if checkpoint is not None:
        settings = replace(settings, model=checkpoint.config)
    found = name_network(settings.model)
    if network not in (None, found):
        raise UsageError(f"expected --network {found}, which the settings or weights are of, got {network}")
    overrides = {name: value for name, value in (("steps", steps), ("seed", seed)) if value is not None}
    return replace(settings, **overrides), None if checkpoint is None else checkpoint.tensors
