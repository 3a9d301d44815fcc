"""Bringing any supported file into the weights folder, in our own layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from flowcli.checkpoints.loading import load_checkpoint
from flowcli.checkpoints.manifest import KNOWN, find_published
from flowcli.checkpoints.native import save_checkpoint
from flowcli.checkpoints.store import stored_path
from flowcli.errors import InputError, OutputError, WeightsError
from flowcli.io.atomic import check_writable
from flowcli.model.config import PERCEIVER_IO, ModelConfig


def import_checkpoint(
    file: Path,
    name: str,
    *,
    gelu: Literal["tanh", "erf"] | None = None,
    overwrite: bool = False,
    published: ModelConfig = PERCEIVER_IO,
) -> Path:
    """Check `file`, whatever its layout, and write it as `name` into the weights folder; return the new file.

    Args:
        file: see `load_checkpoint` for the layouts.
        name: what `--model` will call it.
        gelu: the form of GELU for a file that does not say; None: tanh, as DeepMind trained.
        overwrite: replace weights of that name.
        published: the network in a file that does not describe it.

    Raises:
        WeightsError: the file is damaged, of another network, or not of the size that `name` is known for.
        InputError: `name` cannot be used, or `gelu` contradicts the file.
        OutputError: the weights folder cannot be written, or the name is in use.
    """
    path = stored_path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror or error}") from error
    check_writable(path, overwrite)
    checkpoint = load_checkpoint(file, published=replace(published, gelu=gelu or published.gelu))
    if gelu not in (None, checkpoint.config.gelu):
        raise InputError(f"{file}: expected GELU as the file says, {checkpoint.config.gelu}; leave --gelu out")
    count = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    if name in KNOWN and count != KNOWN[name].parameters:
        raise WeightsError(
            f"{file}: expected {KNOWN[name].parameters} parameters for {name}, found {count}; choose another --name"
        )
    origin = find_published(checkpoint.sha256)
    source = {
        "source.file": file.name,
        "source.sha256": checkpoint.sha256,
        "source.published": origin.url if origin else "unknown",
    }
    save_checkpoint(path, checkpoint.config, checkpoint.tensors, {**checkpoint.metadata, **source})
    return path
