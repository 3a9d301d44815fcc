"""The table of published data sets that can be measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowcli.deferred import Deferred
from flowcli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flowcli.evaluation.labelled import LabelledPair

Lister = Deferred[["Path", str], "list[LabelledPair]"]
"""Maps the root folder and the name of a data set to its pairs."""

_LAYOUTS = "flowcli.evaluation.layouts"

DATASETS: dict[str, Lister] = {
    "sintel-clean": Deferred(f"{_LAYOUTS}.sintel:list_sintel"),
    "sintel-final": Deferred(f"{_LAYOUTS}.sintel:list_sintel"),
    "kitti2012": Deferred(f"{_LAYOUTS}.kitti:list_kitti"),
    "kitti2015": Deferred(f"{_LAYOUTS}.kitti:list_kitti"),
    "middlebury": Deferred(f"{_LAYOUTS}.middlebury:list_middlebury"),
    "chairs": Deferred(f"{_LAYOUTS}.chairs:list_chairs"),
    "spring": Deferred(f"{_LAYOUTS}.spring:list_spring"),
    "hd1k": Deferred(f"{_LAYOUTS}.hd1k:list_hd1k"),
}
"""Name on the command line -> what lists its pairs."""


def open_dataset(name: str, root: Path) -> list[LabelledPair]:
    """List the labelled pairs of a published data set, in a fixed order; nothing is decoded yet.

    Raises:
        UsageError: if there is no such data set.
        InputError: if the layout under `root` is incomplete.
    """
    if name not in DATASETS:
        raise UsageError(f"expected a data set of {', '.join(DATASETS)}, got {name}")
    return DATASETS[name](root, name)
