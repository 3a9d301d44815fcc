"""Results of any method, as files in a data set's layout, in the place of an estimator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from flowcli.errors import InputError
from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import measure
from flowcli.evaluation.run import PairResult
from flowcli.io.flow import FORMATS, read_flow


def find_flows(folder: Path, pairs: Sequence[LabelledPair]) -> list[Path]:
    """Return the file of each pair, in the format of any of FORMATS.

    A pair's file is called as its submission or its truth is, below the folder or below one of the folders in which a
    submission or the data set keeps it; see `LabelledPair.results`. `NAME.backward` and other results of flowcli are
    not meant.

    Raises:
        InputError: there is no such folder, or no file for a pair, or two.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of flow files, found none")
    return [_find(folder, pair) for pair in pairs]


def _find(folder: Path, pair: LabelledPair) -> Path:
    names = pair.results or (pair.name,)
    for name in names:
        found = [path for suffix in FORMATS if (path := folder / f"{name}{suffix}").is_file()]
        # .half.exr is .exr too.
        if len(found) > 1:
            raise InputError(f"{found[0]}: expected one flow file of a name, found {found[1]} as well")
        if found:
            return found[0]
    places = " or ".join(f"{name}.*" for name in names)
    raise InputError(f"{folder}: expected a flow file for {pair.dataset} {pair.name}, found no {places}")


def score_flows(paths: Sequence[Path], pairs: Sequence[LabelledPair]) -> Iterator[PairResult]:
    """Read and measure one file after the other; seconds are 0, for nothing is estimated.

    Raises:
        InputError: naming the file, if it does not fit the truth or leaves out a pixel that the truth knows.
        FormatError: if a file is damaged.
    """
    for path, pair in zip(paths, pairs, strict=True):
        flow = read_flow(path)
        matched = None if pair.read_matched is None else pair.read_matched()
        try:
            errors = measure(flow, pair.read_truth(), matched, pair.truth_factor)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        yield PairResult(pair, errors, flow, 0.0)
