"""The table of published data sets that can be measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flowcli.errors import UsageError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.layouts.chairs import list_chairs
from flowcli.evaluation.layouts.kitti import list_kitti
from flowcli.evaluation.layouts.middlebury import list_middlebury
from flowcli.evaluation.layouts.sintel import list_sintel
from flowcli.evaluation.layouts.spring import list_spring

# Name on the command line -> function(root, name) that lists its pairs.
DATASETS: dict[str, Callable[[Path, str], list[LabelledPair]]] = {
    "sintel-clean": list_sintel,
    "sintel-final": list_sintel,
    "kitti2012": list_kitti,
    "kitti2015": list_kitti,
    "middlebury": list_middlebury,
    "chairs": list_chairs,
    "spring": list_spring,
}


def open_dataset(name: str, root: Path) -> list[LabelledPair]:
    """List the labelled pairs of a published data set, in a fixed order; nothing is decoded yet.

    Raises:
        UsageError: if there is no such data set.
        InputError: if the layout under `root` is incomplete.
    """
    if name not in DATASETS:
        raise UsageError(f"expected a data set of {', '.join(DATASETS)}, got {name}")
    return DATASETS[name](root, name)
