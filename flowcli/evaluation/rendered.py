"""The rendered benchmark as labelled pairs; see `flowcli.training.rendered`."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from flowcli.evaluation.labelled import LabelledPair
from flowcli.flow import FlowField, Frame
from flowcli.training.rendered import KINDS, PAIRS, render


def list_rendered() -> list[LabelledPair]:
    """List all pairs: the first one of each kind, the second one of each, and so on; the kind is the data set."""
    return [
        LabelledPair(
            kind,
            f"{kind}-{number:02d}",
            partial(_frame1, kind, number),
            partial(_frame2, kind, number),
            partial(_flow, kind, number),
            partial(_visible, kind, number),
        )
        for number in range(PAIRS)
        for kind in KINDS
    ]


# An estimator may read a pair ahead.
_pair = lru_cache(maxsize=8)(render)


def _frame1(kind: str, number: int) -> Frame:
    return _pair(kind, number).frame1


def _frame2(kind: str, number: int) -> Frame:
    return _pair(kind, number).frame2


def _flow(kind: str, number: int) -> FlowField:
    return _pair(kind, number).flow


def _visible(kind: str, number: int) -> NDArray[np.bool_]:
    return _pair(kind, number).visible
