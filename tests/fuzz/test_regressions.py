"""What ended badly once does so no more: in a worker of its own, with the limits of a campaign."""

from __future__ import annotations

import pytest

from fuzz.campaign import read_alone
from fuzz.regressions import ROWS, Row
from fuzz.targets import TARGETS
from fuzz.worker import Limits


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.target}, {row.what}")
def test_an_input_that_ended_badly_once(row: Row) -> None:
    verdict = read_alone(TARGETS[row.target], row.data, Limits())
    assert verdict.kind in ("accepted", "refused"), verdict.detail
