"""What a training run reads: its settings as TOML, and the state of a run to go on with."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from checkpoints.published_layouts import MINI

from flowcli.model.perceiver import PerceiverFlow
from flowcli.training.config import TrainingConfig, read_toml
from flowcli.training.loop import make_optimisers
from flowcli.training.state import TrainingState, load_settings, load_state, save_state
from fuzz import checksums, structures
from fuzz.target import Seed, Target
from fuzz.targets.checkpoints import PICKLE, ZIP

_TOML = b"""# a run
steps = 100
batch = 4
muon_rate = 0.02
precision = "bf16"
photo_share = 1

[model]
tile = [8, 8]
layers = 2
query_residual = true
"""
_WORDS = (
    *(
        b"=",
        b"[",
        b"]",
        b"[[",
        b"{",
        b"}",
        b'"',
        b"'",
        b'"""',
        b"#",
        b"\n",
        b"\r\n",
        b",",
        b".",
        b"nan",
        b"inf",
        b"-inf",
    ),
    *(b"true", b"1e999", b"0x10", b"1979-05-27T07:32:00Z", b"\\u0041", b"\\U00110000", b"steps", b"batch", b"seed"),
    *(
        b"[model]",
        b"tile",
        b"layers",
        b"heads",
        b"validate_every",
        b"9" * 5000,
        b"[" * 3000,
        b"{a=" * 1000,
        b"a." * 1000,
    ),
)


def _read_settings(path: Path) -> TrainingConfig:
    return TrainingConfig.from_dict(read_toml(path))


def _toml_seeds() -> list[Seed]:
    plain = TrainingConfig.from_dict(
        {"steps": 100, "batch": 4, "muon_rate": 0.02, "precision": "bf16", "photo_share": 1}
        | {"model": {"tile": [8, 8], "layers": 2, "query_residual": True}}
    )
    one_line = b"steps=100\nbatch=4\n\"muon_rate\"=2e-2\nprecision='bf16'\nphoto_share=1.0\n"
    one_line += b"model={tile=[8,8],layers=2,query_residual=true}"
    every = [f"{name} = {_toml(value)}" for name, value in TrainingConfig().to_dict().items() if name != "model"]
    return [
        Seed("some settings", _TOML, plain),
        Seed("in other words", one_line, plain),
        Seed("carriage returns", _TOML.replace(b"\n", b"\r\n"), plain),
        Seed("every setting", "\n".join(every).encode(), TrainingConfig()),
        Seed("nothing", b"", TrainingConfig()),
    ]


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


@lru_cache(maxsize=1)
def _state() -> TrainingState:
    config = TrainingConfig(model=MINI, steps=5, batch=1)
    model = PerceiverFlow(MINI)
    optimisers = make_optimisers(model, config)
    for parameter in model.parameters():
        parameter.grad = parameter.detach() * 0 + 0.01
    for optimiser in optimisers:
        optimiser.step()
    return TrainingState(config, model, optimisers)


def _read_state(path: Path) -> dict[str, object]:
    TrainingConfig.from_dict(load_settings(path))
    load_state(path, _state())
    return {"step": _state().step}


def _state_seeds() -> list[Seed]:
    state = _state()
    state.step = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.pt")
        save_state(path, state)
        data = path.read_bytes()
    return [Seed("after three steps", data, {"step": 3})]


_MEMBERS = (structures.change_zip_members,)
TRAINING = [
    Target("settings", ".toml", _read_settings, _toml_seeds, _WORDS),
    Target("state", ".pt", _read_state, _state_seeds, (*ZIP, *PICKLE), checksums.repair_zip, _MEMBERS, share=0.2),
]
