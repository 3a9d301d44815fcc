"""The table of methods: what each knows, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flowcli.benchmark.random_weights import make_random_network
from flowcli.checkpoints import save_checkpoint
from flowcli.errors import UsageError, WeightsError
from flowcli.estimator import Estimator
from flowcli.methods import METHODS, FlowMethod, build_methods, find_method, named_methods
from flowcli.methods.coarse_to_fine import CoarseToFineMethod
from flowcli.model.config import TINY
from flowcli.options import EstimatorOptions


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """A checkpoint of whole motions."""
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, TINY, make_random_network(TINY).state_dict(), {})
    return str(path)


def refuse(build: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        build()
    message = str(caught.value)
    assert "\n" not in message and message.startswith("expected ")
    return message


def test_every_row_can_be_built_and_knows_options_that_there_are() -> None:
    names = EstimatorOptions.__dataclass_fields__.keys() - {"model"}
    # Other tests add rows of their own.
    rows = {name: row for name, row in METHODS.items() if row.builder.name.startswith("flowcli.")}
    for row in rows.values():
        assert callable(row.builder)
        assert row.options <= names and row.description
    assert frozenset[str]().union(*(row.options for row in rows.values())) == names
    assert [name for name in named_methods() if name in rows] == [
        "zero",
        "dis",
        "farneback",
        "variational",
        "untrained",
    ]


def test_a_model_is_a_name_or_a_checkpoint(tiny: str) -> None:
    for name in named_methods():
        assert find_method(name) == (METHODS[name], None)
    for model, row in (("compact", "coarse_to_fine"), (tiny, "perceiver")):
        found, checkpoint = find_method(model)
        assert found is METHODS[row] and checkpoint is not None
    # What a checkpoint chooses is no name.
    for model in ("coarse_to_fine", "perceiver", "no-such-model"):
        with pytest.raises(WeightsError):
            find_method(model)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("zero", {"initial_flow": "dis"}),
        ("dis", {"preset": "best"}),
        ("dis", {"refine": True}),
        ("farneback", {"batch": 3}),
        ("farneback", {"device": "cuda"}),
        ("variational", {"refine": False}),
        ("variational", {"refine": True}),
        ("variational", {"overlap": 4}),
        ("variational", {"kernels": "torch"}),
        ("variational", {"precision": "fp32"}),
    ],
)
def test_an_option_that_the_method_does_not_know_is_refused(model: str, values: dict[str, object]) -> None:
    (name,) = values
    message = refuse(lambda: Estimator(model, **values))  # pyright: ignore[reportArgumentType]
    assert message.startswith(f"expected no --{name.replace('_', '-')} with --model {model}, ")


@pytest.mark.parametrize("values", [{"preset": "fast"}, {"refine": True}, {"initial_flow": "dis"}])
def test_a_network_of_whole_motions_knows_nothing_of_levels(tiny: str, values: dict[str, object]) -> None:
    assert tiny in refuse(lambda: Estimator(tiny, **values))  # pyright: ignore[reportArgumentType]


def test_a_cpu_is_where_all_run() -> None:
    for model in named_methods():
        assert Estimator(model, device="cpu", threads=1).settings["model"] == model


class Recorded:
    """A method that says what it was built from."""

    def __init__(self, options: EstimatorOptions) -> None:
        self.options = options

    def estimate(self, pairs: Sequence[object]) -> list[object]:
        raise NotImplementedError


def build_recorded(options: EstimatorOptions, checkpoint: object) -> Recorded:
    return Recorded(options)


def test_each_method_gets_only_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, row in list(METHODS.items()):
        monkeypatch.setitem(METHODS, name, row.__class__(**vars(row) | {"builder": build_recorded}))
    options = EstimatorOptions("compact", preset="fast", refine=False, batch=2, threads=3)
    methods = build_methods(["dis", "variational", "compact"], options)
    built = {model: vars(method)["options"] for model, method in methods.items()}
    assert built == {
        "dis": EstimatorOptions("dis", threads=3),
        "variational": EstimatorOptions("variational", preset="fast", threads=3),
        "compact": options,
    }


def test_several_methods_are_built_in_order_and_what_none_knows_is_refused() -> None:
    methods = build_methods(["compact", "dis"], EstimatorOptions(preset="fast"))
    assert list(methods) == ["compact", "dis"]
    assert all(isinstance(method, FlowMethod) for method in methods.values())
    assert isinstance(methods["compact"], CoarseToFineMethod) and methods["compact"].settings["preset"] == "fast"
    message = refuse(lambda: build_methods(["dis", "variational"], EstimatorOptions(batch=2, refine=False)))
    assert message.startswith("expected no --batch, --refine with --model dis and variational, ")
