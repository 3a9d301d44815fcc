"""A run's folder that is not what it should be: states from strangers, states that were edited, logs that are cut."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory_peak import measure_peak

from flowcli.errors import OutputError, WeightsError
from flowcli.model.config import TINY
from flowcli.model.perceiver import PerceiverFlow
from flowcli.training.config import TrainingConfig
from flowcli.training.loop import make_optimisers
from flowcli.training.results import CURVE, LOG, WEIGHTS, append_log, read_curve, write_results
from flowcli.training.state import TrainingState, load_settings, load_state, save_state

# A run each: .ci/run has them, the default run has not.
pytestmark = pytest.mark.slow


CONFIG = TrainingConfig(model=TINY, steps=5)


def make_state(config: TrainingConfig = CONFIG) -> TrainingState:
    """A state after one step, so that the optimisers have momenta."""
    torch.manual_seed(0)
    model = PerceiverFlow(config.model)
    optimisers = make_optimisers(model, config)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    for optimiser in optimisers:
        optimiser.step()
    return TrainingState(config, model, optimisers, step=1)


def saved_content(path: Path) -> dict[str, Any]:
    save_state(path, make_state())
    return torch.load(path, weights_only=True)


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    state, fresh = make_state(), make_state()
    with torch.no_grad():
        for parameter in fresh.model.parameters():
            parameter.zero_()
    save_state(tmp_path / "state.pt", state)
    load_state(tmp_path / "state.pt", fresh)
    assert fresh.step == 1
    for before, after in zip(state.optimisers, fresh.optimisers, strict=True):
        for one, other in zip(before.state.values(), after.state.values(), strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)
    tensors = fresh.model.state_dict()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in state.model.state_dict().items())
    save_state(tmp_path / "state.pt", fresh)  # over the file it came from
    load_state(tmp_path / "state.pt", fresh)


def set_at(*places: object, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        part: Any = content
        for place in places[:-1]:
            part = part[place]
        part[places[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_at("step", value="1"),
        set_at("step", value=-1),
        set_at("step", value=10**30),
        set_at("samples", value=1.5),
        set_at("model", value=5),
        set_at("model", "encoder.latents", value=torch.zeros(3)),
        set_at("model", "encoder.latents", value="text"),
        set_at("model", "encoder.latents", value=torch.full((6, 16), float("nan"))),
        set_at("model", "stray", value=torch.zeros(3)),
        set_at("optimisers", value=[]),
        set_at("optimisers", value=5),
        set_at("optimisers", 0, value=[]),
        set_at("optimisers", 0, "state", value=5),
        set_at("optimisers", 0, "state", 99, value={}),
        set_at("optimisers", 0, "state", 0, value=5),
        set_at("optimisers", 0, "state", 0, value={}),
        set_at("optimisers", 0, "state", 0, "momentum", value=torch.zeros(3)),
        set_at("optimisers", 1, "state", 0, "step", value=torch.zeros(3)),
        set_at("optimisers", 1, "state", 0, "exp_avg", value=float("inf")),
        lambda content: content.pop("averaged"),
        lambda content: content.pop("optimisers"),
    ],
)
def test_an_edited_state_is_one_line(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = saved_content(tmp_path / "state.pt")
    change(content)
    torch.save(content, tmp_path / "state.pt")
    state = make_state()
    before = state.model.state_dict()["encoder.latents"].clone()
    with pytest.raises(WeightsError, match=r"state\.pt") as caught:
        load_state(tmp_path / "state.pt", state)
    assert "\n" not in str(caught.value)
    assert torch.equal(state.model.state_dict()["encoder.latents"], before)


@pytest.mark.parametrize(
    "config",
    [5, {1: 2}, {"steps": float("nan")}, {"steps": 10**5000}, {"model": {1: 2}}, {"model": {"a": 1, 2: 3}}, {"a": 1}],
)
def test_edited_settings_are_one_line(tmp_path: Path, config: object) -> None:
    content = saved_content(tmp_path / "state.pt")
    torch.save({**content, "config": config}, tmp_path / "state.pt")
    with pytest.raises(WeightsError, match=r"state\.pt") as caught:
        load_settings(tmp_path / "state.pt")
    assert "\n" not in str(caught.value)


def test_damage_anywhere_in_a_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, make_state())
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        for place in generator.integers(len(content), size=3):
            damaged[place] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            load_state(path, make_state())
        except WeightsError as error:
            assert "\n" not in str(error)


def test_a_state_that_asks_for_memory(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state/data.pkl", b"\x80\x02" + b"}" * 2**23 + b".")
    before = "from flowcli.training.state import load_settings"
    peak, outcome = measure_peak(before, "load_settings(Path(sys.argv[1]))", path)
    assert outcome.startswith("WeightsError: ")
    assert str(path) in outcome
    assert peak < 2**28


def test_a_state_that_cannot_be_written(tmp_path: Path) -> None:
    state = make_state()
    with pytest.raises(OutputError, match="cannot be written"):
        save_state(tmp_path / "absent" / "state.pt", state)
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"log\.jsonl: cannot be written"):
        append_log(tmp_path, {"step": 1.0})


def test_a_log_that_is_cut_or_wrong_leaves_the_curve_of_the_rest(tmp_path: Path) -> None:
    lines = [
        json.dumps({"step": 2, "ratio": 0.5}),
        "",
        "[1]",
        "{",
        '{"step": 3}',
        '{"step": 3, "ratio": NaN}',
        '{"step": 1e999, "ratio": 1}',
        '{"step": 5, "ratio": 0.25}',
        "[" * 9000,
        '{"step": ' + "9" * 5000 + ', "ratio": 1}',
        '{"step": 7, "ra',
    ]
    (tmp_path / LOG).write_text("\n".join(lines))
    assert read_curve(tmp_path / LOG) == [(2, 0.5), (5, 0.25)]
    assert [path.name for path in write_results(tmp_path, make_state())] == [WEIGHTS, LOG, CURVE]
    (tmp_path / LOG).write_bytes(b"\xff\n")
    assert [path.name for path in write_results(tmp_path, make_state())] == [WEIGHTS, LOG]


def test_the_state_of_other_optimisers(tmp_path: Path) -> None:
    save_state(tmp_path / "state.pt", make_state())
    with pytest.raises(WeightsError, match="expected 1 optimisers"):
        load_state(tmp_path / "state.pt", make_state(replace(CONFIG, muon_rate=0.0)))
