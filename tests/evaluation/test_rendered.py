"""The rendered benchmark: the same pairs for everyone, each of its kind, with a flow that explains its frames."""

from __future__ import annotations

import csv
import hashlib
import io

import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.evaluation.metrics import measure
from flowcli.evaluation.rendered import list_rendered
from flowcli.flow import FlowField
from flowcli.training.rendered import KINDS, PAIRS, _find_try, _render, render
from flowcli.warping.backward import warp


def test_every_kind_has_its_pairs_and_the_first_of_each_come_first() -> None:
    pairs = list_rendered()
    assert len(pairs) == PAIRS * len(KINDS) == 100
    assert [pair.dataset for pair in pairs[: len(KINDS)]] == list(KINDS)
    assert len({pair.name for pair in pairs}) == 100


@pytest.mark.parametrize("kind", ["street", "occlusion"])
@pytest.mark.slow
def test_a_pair_is_of_its_kind_and_its_flow_explains_it(kind: str) -> None:
    pair = render(kind, 0)
    assert pair.frame1.shape == pair.frame2.shape == (*KINDS[kind].size, 3)
    still = np.abs(pair.frame1.astype(int) - pair.frame2).mean(2)[pair.visible].mean()
    moved = np.abs(pair.frame1.astype(int) - warp(pair.frame2, pair.flow)).mean(2)[pair.visible].mean()
    assert moved < 0.75 * still  # the light changes as well
    zero = FlowField(np.zeros_like(pair.flow.uv))
    counts = measure(zero, pair.flow, pair.visible).counts
    assert counts["epe_covered"] >= KINDS[kind].covered * counts["epe"]


@pytest.mark.slow
def test_a_pair_is_the_same_again() -> None:
    def digest() -> str:
        pair = render("street", 1)
        return hashlib.sha256(pair.frame1.tobytes() + pair.flow.uv.tobytes()).hexdigest()

    first = digest()
    render("indoor", 0)
    _find_try.cache_clear()
    _render.cache_clear()
    assert digest() == first


def test_the_command_needs_no_files() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--rendered", "--limit", "2", "--model", "zero", "--csv"])
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["dataset"] for row in rows] == ["street", "indoor"]
    assert all(float(row["epe_matched"]) > 0 and float(row["epe_outside"]) > 0 for row in rows)


def test_the_command_wants_one_source_of_pairs() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--rendered", "--pairs", "pairs.csv"])
    assert result.exit_code == 2
    assert "--rendered" in result.output
