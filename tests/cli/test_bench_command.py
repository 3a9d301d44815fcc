from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from flowcli.benchmark import plan
from flowcli.benchmark.cases import RIVALS
from flowcli.benchmark.plan import Request
from flowcli.cli.bench import Against, bench
from flowcli.errors import UsageError

app = typer.Typer()
app.command()(bench)
MACHINE = {"processor": "abacus", "cores": 1, "torch": "2"}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    seen: list[Request] = []

    def run_benchmark(request: Request, announce: Callable[[str], None]) -> dict[str, object]:
        seen.append(request)
        announce("measuring")
        return {"machine": MACHINE, "tiles": [], "pairs": [], "comparisons": []}

    monkeypatch.setattr(plan, "run_benchmark", run_benchmark)
    return seen


def test_options_reach_the_plan(requests: list[Request]) -> None:
    arguments = "--model a --model b --size 640x480 --size 64x48 --precision fp32 --against dis --repeats 7"
    arguments += " --device cpu --threads 2 --memory 0.5 --preset best --preset fast --kernels torch --kernels auto"
    result = CliRunner().invoke(app, f"{arguments} --json".split())
    assert result.exit_code == 0
    assert json.loads(result.stdout)["machine"] == MACHINE
    assert result.stderr == "measuring\n"
    assert requests == [
        Request(
            ["a", "b"], [(480, 640), (48, 64)], ["fp32"], "dis", "cpu", 2, 0.5, 7, ["best", "fast"], ["torch", "auto"]
        )
    ]


def test_without_options_the_compact_network_is_measured(requests: list[Request]) -> None:
    result = CliRunner().invoke(app, [])
    assert requests == [Request(["compact"], [], ["auto"], presets=[None], kernels=["auto"])]
    assert result.stdout == "abacus, 1 cores, torch 2\n"


@pytest.mark.parametrize(
    "arguments",
    [["--size", "big"], ["--against", "raft"], ["--repeats", "0"]],
)
def test_wrong_usage_is_refused_before_anything_runs(requests: list[Request], arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert requests == []


@pytest.mark.parametrize("arguments", [["--preset", "quick"], ["--kernels", "fast"], ["--precision", "fp8"]])
def test_a_wrong_value_among_several_is_refused_too(requests: list[Request], arguments: list[str]) -> None:
    error = (
        CliRunner().invoke(app, [arguments[0], "auto" if arguments[0] != "--preset" else "fast", *arguments]).exception
    )
    assert isinstance(error, UsageError)
    assert str(error).startswith(f"expected {arguments[0]} as one of ")
    assert str(error).endswith(f"got {arguments[1]!r}")
    assert requests == []


def test_the_rivals_are_those_of_the_benchmark() -> None:
    assert get_args(Against) == RIVALS
