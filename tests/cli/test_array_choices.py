"""--key and --layout where commands read arrays of others."""

import numpy as np
import pytest
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import FormatError, UsageError
from flowcli.io.flow import read_flow

UV = np.random.default_rng(5).normal(0, 3, (2, 9, 2)).astype(np.float32)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", flow=UV.transpose(2, 0, 1), other=UV)
    np.savez("b.npz", one=UV, two=-UV)


def test_convert(tmp_path):
    assert run("convert", "a.npz", "a.flo").exit_code == 0
    np.testing.assert_array_equal(read_flow("a.flo").uv, UV)
    assert run("convert", "b.npz", "b.flo", "--key", "two").exit_code == 0
    np.testing.assert_array_equal(read_flow("b.flo").uv, -UV)
    assert isinstance(run("convert", "b.npz", "c.flo").exception, FormatError)
    np.save("d.npy", np.zeros((2, 9, 2), np.float32))
    assert run("convert", "d.npy", "d.flo", "--layout", "chw").exit_code == 0
    assert read_flow("d.flo").size == (9, 2)


def test_render_and_info():
    assert run("render", "b.npz", "-o", "b.png", "--key", "one").exit_code == 0
    shown = run("info", "b.npz", "--key", "one")
    assert shown.exit_code == 0 and "width" in shown.stdout
    assert isinstance(run("info", "b.npz", "--key", "three").exception, FormatError)


def test_what_other_formats_say_themselves():
    run("convert", "a.npz", "a.flo")
    assert isinstance(run("convert", "a.flo", "e.pfm", "--layout", "chw").exception, UsageError)
