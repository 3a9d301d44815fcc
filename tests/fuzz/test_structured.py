"""What is easier said as values than as bytes: whatever a parsed file holds, the outcome is a result or our error."""

from __future__ import annotations

import contextlib
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcli.errors import FlowcliError, InputError
from flowcli.io.frames import Moment
from flowcli.jobs.journal import Journal
from flowcli.model.config import TINY, ModelConfig
from flowcli.training.config import TrainingConfig, read_toml

HUGE = st.sampled_from([2**31, 2**62, 2**63, 2**64, -(2**63), 10**4000])
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), HUGE)
JSON = st.recursive(
    st.one_of(st.none(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)
ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


def some_of(known: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """Settings of which some have their right names and some even their right kind."""
    values = st.one_of(NUMBERS, JSON, st.sampled_from(list(map(str, known.values()))))
    return st.dictionaries(st.one_of(st.sampled_from(list(known)), st.text(max_size=5)), values, max_size=4)


@ANYTHING
@given(some_of(TrainingConfig().to_dict()))
def test_training_settings(values: dict[str, object]) -> None:
    with contextlib.suppress(InputError):
        config = TrainingConfig.from_dict(values)
        assert TrainingConfig.from_dict(config.to_dict()) == config


@ANYTHING
@given(some_of(TINY.to_dict()))
def test_network_settings(values: dict[str, object]) -> None:
    with contextlib.suppress(ValueError):
        config = ModelConfig.from_dict({**TINY.to_dict(), **values})
        assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@ANYTHING
@given(st.text())
def test_settings_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(f"steps = 3\n{text}", encoding="utf-8", newline="")
    try:
        read_toml(path)
    except InputError as error:
        assert str(path) in str(error)


@ANYTHING
@given(st.from_regex(r"[0-9:. s]{0,12}", fullmatch=True))
def test_moments(text: str) -> None:
    try:
        moment = Moment.parse(text)
    except ValueError:
        return
    assert moment.value >= 0
    assert isinstance(moment.value, int | Fraction)


EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["start", "part", "end"]), "item": st.one_of(st.sampled_from(["a", "b"]), JSON)},
    optional={
        name: st.one_of(JSON, st.dictionaries(st.text(), st.integers(), max_size=2))
        for name in ("origin", "fingerprint", "settings", "pairs", "scale", "turn", "part", "files", "fault", "kind")
    },
)


@ANYTHING
@given(st.lists(EVENTS, max_size=4))
def test_journals(tmp_path: Path, events: list[dict[str, object]]) -> None:
    path = tmp_path / "journal.jsonl"
    with contextlib.suppress(ValueError):  # more digits than Python writes
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    try:
        Journal(path).close()
    except FlowcliError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"event":' * 100_000])
def test_journals_nested_without_end(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{text}\n")
    with pytest.raises(FlowcliError, match="journal is damaged"):
        Journal(path)
