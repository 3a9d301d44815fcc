"""The options of an estimator: their values, and that every table of them has the same names."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from flowcli.cli.estimator_options import with_estimator_options
from flowcli.coarse_to_fine.config import PRESETS
from flowcli.errors import UsageError
from flowcli.options import CHOICES, EstimatorOptions, OptionValues, flag

DEFAULTS = EstimatorOptions()


def test_keyword_arguments_are_the_fields() -> None:
    names = [f.name for f in fields(EstimatorOptions)]
    hints = get_type_hints(EstimatorOptions)
    assert get_type_hints(OptionValues) == {name: hints[name] for name in names if name != "model"}


def test_the_commands_offer_every_field_with_its_choices() -> None:
    def command(options: EstimatorOptions = DEFAULTS) -> None: ...

    parameters = inspect.signature(with_estimator_options(command)).parameters
    for f in fields(EstimatorOptions):
        assert parameters[f.name].default == f.default
    for name, choices in (*CHOICES.items(), ("preset", tuple(PRESETS))):
        kind = get_args(parameters[name].annotation)[0]  # Annotated[kind, option]
        offered = [value for part in (kind, *get_args(kind)) for value in get_args(part) if isinstance(value, str)]
        assert tuple(dict.fromkeys(offered)) == choices


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("initial_flow", "farneback", "expected --initial-flow as one of auto, none, dis, got 'farneback'"),
        ("preset", "quick", "expected --preset as one of fast, balanced, best, got 'quick'"),
        ("precision", "fp8", "expected --precision as one of auto, fp32, bf16, got 'fp8'"),
        ("kernels", "fast", "expected --kernels as one of auto, compiled, torch, got 'fast'"),
        ("threads", 0, "expected --threads as a number from 1 to 1024, got 0"),
        ("threads", 5000, "expected --threads as a number from 1 to 1024, got 5000"),
        ("threads", 1.5, "expected --threads as a number from 1 to 1024, got 1.5"),
        ("threads", True, "expected --threads as a number from 1 to 1024, got True"),
        ("batch", -1, "expected --batch as a number from 1"),
        ("overlap", "7", "expected --overlap as a number from 0"),
        ("memory", float("nan"), "expected --memory as a number from"),
        ("memory", 0, "expected --memory as a number from"),
    ],
)
def test_values_that_no_method_could_take_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(DEFAULTS, **{name: value})
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_the_least_and_most_values_are_taken() -> None:
    EstimatorOptions(threads=1, batch=1, overlap=0, memory=0.25)
    EstimatorOptions(threads=1024, preset="best", initial_flow="none", refine=False)


def test_what_is_given_differs_from_the_default() -> None:
    assert DEFAULTS.given == frozenset() and EstimatorOptions("dis", device="auto", refine=None).given == frozenset()
    options = EstimatorOptions("dis", refine=False, threads=2)
    assert options.given == {"refine", "threads"}
    assert options.only(frozenset({"threads", "batch"})) == EstimatorOptions("dis", threads=2)
    assert options.only(frozenset()) == EstimatorOptions("dis")


def test_a_path_is_a_model() -> None:
    assert EstimatorOptions(Path("a") / "b.safetensors").model == str(Path("a/b.safetensors"))  # pyright: ignore[reportArgumentType]


def test_flags_are_what_is_typed() -> None:
    assert flag("initial_flow") == "--initial-flow"
