"""Refuses a batch that would write over its own inputs, or two results under one name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flowcli.errors import UsageError
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import BatchSettings
from flowcli.output.destination import Destination
from flowcli.output.inputs import InputFiles


def check_outputs(items: Sequence[BatchItem], settings: BatchSettings, folder: Path) -> None:
    """Raise UsageError if an output of an item is an input of any, or two outputs are one; looks only at what is there.

    Args:
        items: of the whole batch.
        settings: for all of them.
        folder: for the results.
    """
    places: dict[Path, str] = {}
    there: list[Destination] = []
    for item in items:
        for destination in settings.arrange(folder, item.name, is_pair=item.is_pair).destinations:
            other = places.setdefault(destination.path, item.name)
            if other != item.name:
                raise UsageError(f"{destination.path}: both {other} and {item.name} would go there; rename an input")
            # A name that is too long for the file system is the fault of its item, which will be told of it.
            with suppress(OSError):
                if destination.path.exists():
                    there.append(destination)
    if there:
        inputs = InputFiles(Path(text) for item in items for text in item.inputs)
        for destination in there:
            inputs.check(destination)
