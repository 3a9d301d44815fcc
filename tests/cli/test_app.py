"""The installed command as a user meets it: help, version, exit codes, demo and train."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli import __version__
from flowcli.cli.app import app, main
from flowcli.errors import InputError, UsageError
from flowcli.io.flow import read_flow
from flowcli.io.image import read_image, write_image

# Groups of commands come last in typer's help.
COMMANDS = (
    *("estimate", "batch", "stats", "view", "render", "convert", "warp", "diff", "evaluate", "submission", "train"),
    *("info", "bench", "compile", "demo", "weights"),
)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flowcli", *arguments], capture_output=True, text=True, cwd=cwd, timeout=60
    )


def test_help_lists_the_commands_in_order() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    places = [text.index(f" {command} ") for command in COMMANDS]
    assert places == sorted(places)
    assert "Dense optical flow" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_exit_codes_of_the_process(tmp_path: Path) -> None:
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"flowcli {__version__}\n")
    missing = run("estimate", "absent1.png", "absent2.png", cwd=tmp_path)
    assert missing.returncode == 1
    assert missing.stdout == ""
    assert missing.stderr.startswith("flowcli: ")
    assert "absent1.png" in missing.stderr
    assert missing.stderr.count("\n") == 1
    assert run("estimate", "--no-such-option").returncode == 2


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("expected a, got b"), 1, "flowcli: expected a, got b\n"),
        (UsageError("expected a, got b"), 2, "flowcli: expected a, got b\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_boundary_turns_errors_into_one_line(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("flowcli.cli.app.app", fail)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == code
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "info NAME",
        "estimate NAME -o x/",
        "estimate a.png NAME",
        "estimate a.png b.png -o NAME.flo",
        "batch NAME -o out",
        "batch . -o NAME",
        "render NAME -o x.png",
        "convert NAME x.flo",
        "evaluate --pairs NAME",
    ],
)
def test_a_name_that_the_system_does_not_take_is_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(sys, "argv", ["flowcli", *line.replace("NAME", "n" * 300).split()])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert "File name too long" in error
    assert error.count("\n") == 1


def test_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flowcli.cli.app.app", fail)
    with pytest.raises(ZeroDivisionError):
        main()


def test_demo_shows_known_motion_and_the_error(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    result = CliRunner().invoke(app, ["demo", "-o", str(folder), "--size", "160x96", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert sorted(report["outputs"]) == sorted(str(path) for path in folder.iterdir())
    assert 0 < report["endpoint_error"] < report["endpoint_error_of_zero"]
    assert read_flow(folder / "flow.flo").size == (96, 160)
    assert read_image(folder / "demo.png").shape[1] > 160
    again = CliRunner().invoke(app, ["demo", "-o", str(folder), "--size", "160x96"])
    assert "--overwrite" in str(again.exception)


def test_train_writes_weights_that_estimate_uses(tmp_path: Path) -> None:
    settings = tmp_path / "small.toml"
    settings.write_text(
        "batch = 2\ntextures = 4\nwarmup = 1\nvalidate_every = 2\n[model]\ntile = [16, 20]\nfeatures = 12\n"
        "position_bands = 4\nlatents = 6\nlatent_width = 16\nlayers = 1\n"
        "heads = 2\ndecoder_width = 8\npixel_width = 8\n"
    )
    folder = tmp_path / "run"
    arguments = ["train", "-o", str(folder), "--config", str(settings), "--device", "cpu"]
    result = CliRunner().invoke(app, [*arguments, "--steps", "2"])
    assert result.exit_code == 0, result.output
    weights = folder / "weights.safetensors"
    assert str(weights) in result.stdout.split()
    assert "--resume" in str(CliRunner().invoke(app, [*arguments, "--steps", "3"]).exception)
    again = ["train", "-o", str(folder), "--device", "cpu", "--steps", "3", "--resume"]
    resumed = CliRunner().invoke(app, again)  # by its own settings
    assert resumed.exit_code == 0, resumed.output
    shown = json.loads(CliRunner().invoke(app, [*again, "--show-config"]).stdout)
    assert (shown["batch"], shown["steps"], shown["model"]["latents"]) == (2, 3, 6)
    settings.write_text("batch = 3")
    shown = json.loads(CliRunner().invoke(app, [*again, "--config", str(settings), "--show-config"]).stdout)
    assert (shown["batch"], shown["textures"]) == (3, 4)
    demo = ["demo", "-o", str(tmp_path / "demo"), "--size", "40x30", "--model", str(weights), "--json"]
    assert CliRunner().invoke(app, demo).exit_code == 0
