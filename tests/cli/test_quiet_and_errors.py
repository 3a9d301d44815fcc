"""`--quiet`, and errors as JSON for programs that read `--json`: the real program in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def flowcli(tmp_path):
    for k in range(3):
        Image.new("RGB", (16, 12), (60 * k, 9, 9)).save(tmp_path / f"f{k}.png")
    np.save(tmp_path / "flow.npy", np.full((12, 16, 2), 0.3, np.float32))
    (tmp_path / "notes.dat").write_text("no frame")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "flowcli", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "words"),
    [
        (["info", "missing.flo", "--json"], "InputError", 1, "missing.flo"),
        (["convert", "flow.npy", "flow.xyz", "--json"], "UsageError", 2, "expected a flow file ending in"),
        (["convert", "--json", "flow.npy"], "UsageError", 2, "OUT"),
        (["convert", "flow.npy", "out.flo", "--json", "--wrong"], "UsageError", 2, "--wrong"),
    ],
)
def test_errors_are_json_where_results_would_be(flowcli, arguments, kind, code, words):
    done = flowcli(*arguments)
    assert done.returncode == code
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert words in error["message"]
    assert done.stderr.splitlines() == [f"flowcli: {error['message']}"]


@pytest.mark.slow
def test_a_result_with_faults_stays_one_value(flowcli):
    done = flowcli("stats", "notes.dat", "--json", "--model", "zero")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert "notes.dat: expected an image or a video" in found["items"][0]["fault"]


def test_quiet_leaves_errors_alone(flowcli):
    said = flowcli("convert", "flow.npy", "out.png")
    assert (said.stdout, "out.png: " in said.stderr) == ("out.png\n", True)
    quiet = flowcli("convert", "flow.npy", "out.png", "--overwrite", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "out.png\n", "")
    refused = flowcli("convert", "flow.npy", "out.png", "-q")
    assert refused.returncode == 1
    assert refused.stderr.startswith("flowcli: out.png: already exists")


def test_every_command_can_be_quiet():
    from typer.main import get_command

    from flowcli.cli.app import app

    commands = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--quiet" in options or name == "weights", name
