"""Who takes part in a suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcli.benchmark.cases import Case
from flowcli.errors import WeightsError
from flowcli.suite import contestants
from flowcli.suite.contestants import MODELS, Contestant, choose_baseline, find_contestants


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Case]:
    cases: list[Case] = []
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(tmp_path))

    def run(case: Case) -> dict[str, object]:
        cases.append(case)
        return {}

    from flowcli.benchmark import plan

    monkeypatch.setattr(plan.find_weights, "__defaults__", (run,))
    return cases


def test_all_presets_and_methods(made: list[Case], tmp_path: Path) -> None:
    found, absent = find_contestants(MODELS, [], tmp_path)
    random = str(tmp_path / "perceiver-io.safetensors")
    assert found == [
        Contestant("fast", "compact", "fast", "own"),
        Contestant("balanced", "compact", "balanced", "own"),
        Contestant("best", "compact", "best", "own"),
        Contestant("variational", "variational"),
        Contestant("perceiver-io", random, None, "random"),
        Contestant("dis", "dis"),
        Contestant("farneback", "farneback"),
        Contestant("transformers", random, None, "random"),
    ]
    assert [one.name for one in absent] == ["perceiver-io", "transformers"]
    assert all("no error; flowcli weights pull perceiver-io" in one.reason for one in absent)
    # Made once for both.
    assert [(case.task, case.path) for case in made] == [("random", random)]
    assert [one.name for one in found if one.largest < 1] == ["perceiver-io", "transformers"]
    assert choose_baseline(found).name == "balanced"
    assert choose_baseline(found[3:]).name == "variational"


def test_what_is_not_installed_is_said(made: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "find_spec", lambda name: None)
    found, absent = find_contestants(["dis", "transformers"], [], tmp_path)
    assert [one.name for one in found] == ["dis"]
    assert [(one.name, one.reason) for one in absent] == [
        ("transformers", "is not installed; pip install transformers")
    ]


def test_presets_are_for_those_that_have_them(made: list[Case], tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"x")
    found, _ = find_contestants(["compact", str(mine), "dis"], ["fast"], tmp_path)
    assert [(one.name, one.flags) for one in found] == [
        ("fast", ["--model", "compact", "--preset", "fast"]),
        (f"{mine} fast", ["--model", str(mine), "--preset", "fast"]),
        ("dis", ["--model", "dis"]),
    ]
    assert [Contestant.from_json(one.to_json()) for one in found] == found
    with pytest.raises(WeightsError, match="found neither"):
        find_contestants(["gone.safetensors"], [], tmp_path)
