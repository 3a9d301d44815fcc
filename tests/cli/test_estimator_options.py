"""The options of an estimator on the command line, and a method that is added to them."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import typer
from constant_flow import ConstantFlows
from typer.testing import CliRunner

import flowcli
from flowcli.cli.app import app as whole_app
from flowcli.cli.estimate import estimate
from flowcli.io.flow import read_flow
from flowcli.io.image import write_image
from flowcli.options import EstimatorOptions, OptionValues, flag

app = typer.Typer()
app.command()(estimate)
FLOWS = ConstantFlows({"compact": (1, 0), "zero": (0, 0)})


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        write_image(name, np.zeros((12, 16, 3), np.uint8))
    return ["a.png", "b.png", "-o", "out.flo"]


def help_of(command):
    return CliRunner().invoke(whole_app, [command, "--help"], env={"COLUMNS": "200"}).stdout


def test_keyword_arguments_are_the_fields_of_the_options():
    options = get_type_hints(EstimatorOptions)
    assert list(options) == [f.name for f in fields(EstimatorOptions)]
    del options["model"]
    assert get_type_hints(OptionValues) == options
    assert OptionValues.__required_keys__ == frozenset()


@pytest.mark.parametrize("command", ["estimate", "batch", "evaluate", "demo"])
def test_every_command_that_estimates_has_all_of_them(command):
    text = help_of(command)
    assert [f.name for f in fields(EstimatorOptions) if f" {flag(f.name)} " not in text] == []
    assert " --no-refine " in text
    for old in ("--guess", "--polish", "--no-polish"):
        assert old not in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--initial-flow", "none"], {"initial_flow": "none"}),
        (["--guess", "none"], {"initial_flow": "none"}),
        (["--refine"], {"refine": True}),
        (["--no-refine"], {"refine": False}),
        (["--polish"], {"refine": True}),
        (["--no-polish"], {"refine": False}),
        (["--preset", "fast", "--threads", "2"], {"preset": "fast", "threads": 2}),
    ],
)
def test_new_and_old_names_reach_the_method(images, monkeypatch, arguments, expected):
    FLOWS.install(monkeypatch)
    assert CliRunner().invoke(app, [*images, *arguments]).exit_code == 0
    assert FLOWS.built == [EstimatorOptions(**expected)]
    assert FLOWS.configured == [expected.get("threads")]


STILL = """
import numpy as np
from flowcli.deferred import Deferred
from flowcli.flow import FlowField
from flowcli.methods import METHODS, Method

class Diagonal:
    def estimate(self, pairs):
        return [FlowField(np.ones((*frame1.shape[:2], 2), np.float32)) for frame1, _ in pairs]

def build(options, checkpoint):
    return Diagonal()

METHODS["diagonal"] = Method("a pixel right and down", Deferred("my_method:build"), frozenset({"threads"}))
"""


@pytest.mark.slow
def test_a_method_of_ones_own_is_a_row_of_the_table(images):
    Path("my_method.py").write_text(STILL)

    def run(*arguments):
        command = [sys.executable, "-c", "import my_method, flowcli.cli.app; flowcli.cli.app.main()", *arguments]
        paths = os.pathsep.join([str(Path.cwd()), str(Path(flowcli.__file__).parents[1])])
        environment = os.environ | {"PYTHONPATH": paths, "COLUMNS": "200"}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    for command in ("estimate", "evaluate"):
        assert "diagonal" in run(command, "--help").stdout
    chosen = run("estimate", *images, "--model", "diagonal", "--threads", "1")
    assert (chosen.returncode, chosen.stdout) == (0, "out.flo\n"), chosen.stderr
    assert (read_flow("out.flo").uv == 1).all()
    refused = run("estimate", *images, "--overwrite", "--model", "diagonal", "--preset", "best")
    assert refused.returncode == 2
    assert refused.stderr.startswith("flowcli: expected no --preset with --model diagonal")
