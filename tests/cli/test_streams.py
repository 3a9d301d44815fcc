"""Standard streams that are closed, full or narrow: the work is done, one line says what is wrong, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowcli.flow import FlowField
from flowcli.io.flow import write_flow

FULL = "standard output: cannot be written: No space left on device"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_flow("in.flo", FlowField(np.zeros((8, 9, 2), np.float32)))


def shell(line, **environment):
    """Run a line of shell in which `flowcli` is the command; no torch is needed for what is asked here."""
    command = f'flowcli() {{ "{sys.executable}" -m flowcli "$@"; }}; {line}'
    result = subprocess.run(["bash", "-c", command], capture_output=True, env=os.environ | environment, timeout=60)
    assert b"Traceback" not in result.stderr
    assert b"Exception ignored" not in result.stderr
    return result.returncode, result.stdout, result.stderr.decode()


@pytest.mark.parametrize(
    ("redirection", "code", "listed", "said"),
    [
        ("<&-", 0, b"out.pfm\n", ""),
        (">&-", 0, b"", ""),
        ("2>&-", 0, b"out.pfm\n", ""),
        ("<&- >&- 2>&-", 0, b"", ""),
        ("2>/dev/full", 0, b"out.pfm\n", ""),
        (">/dev/full", 1, b"", f"flowcli: {FULL}\n"),
        ("1</dev/null", 1, b"", "flowcli: standard output: cannot be written: Bad file descriptor\n"),
        (">/dev/full 2>/dev/full", 1, b"", ""),
    ],
)
def test_the_file_is_made_whatever_the_streams_are(redirection, code, listed, said):
    assert shell(f"flowcli convert in.flo out.pfm {redirection}") == (code, listed, said)
    assert Path("out.pfm").stat().st_size > 8 * 9 * 8


@pytest.mark.parametrize(
    ("line", "code", "lines"),
    [
        ("flowcli --version >/dev/full", 1, 1),
        ("flowcli --help >/dev/full", 1, 1),
        ("flowcli convert in.flo in.flo 2>/dev/full", 2, 0),
        ("flowcli convert --nonsense 2>/dev/full", 2, 0),
        ("flowcli convert --nonsense 2>&-", 2, 0),
        ("flowcli convert absent.flo x.pfm 2>&-", 1, 0),
        ("flowcli convert absent.flo x.pfm >&-", 1, 1),
        ("flowcli estimate - --size 8x8 <&-", 1, 1),
        ("flowcli estimate - --size 8x8 </dev/null", 1, 1),
        ("flowcli convert in.flo x.pfm --json | true; exit ${PIPESTATUS[0]}", 141, 0),
    ],
)
def test_what_else_meets_them(line, code, lines):
    found, output, errors = shell(line)
    assert (found, errors.count("\n")) == (code, lines)
    assert output == b""


def test_a_name_that_stdout_cannot_encode_is_escaped():
    code, output, errors = shell("flowcli convert in.flo 日本.flo", PYTHONIOENCODING="cp1252")
    assert (code, output, errors) == (0, rb"\u65e5\u672c.flo" + b"\n", "")
    assert Path("日本.flo").exists()


@pytest.mark.slow
def test_a_name_that_is_no_text_is_written_as_it_is():
    name = os.fsdecode(b"caf\xe9.flo")
    Path("in.flo").rename(name)
    code, output, errors = shell(f"flowcli convert {name} x{name}")
    assert (code, output, errors) == (0, b"xcaf\xe9.flo\n", "")
    code, output, errors = shell(f"flowcli convert {name} x{name} --overwrite --json")
    assert code == 0
    assert rb'"xcaf\udce9.flo"' in output
    assert (
        subprocess.run(
            [sys.executable, "-m", "flowcli", "convert", os.fsencode(f"no{name}"), "y.flo"], capture_output=True
        ).stderr
        == b"flowcli: nocaf\xe9.flo: no such file or folder\n"
    )


def test_a_name_of_two_lines_is_told_in_one():
    assert shell("flowcli convert $'a\\nb\\e31m.flo' x.flo") == (
        1,
        b"",
        "flowcli: a\\nb\\x1b31m.flo: no such file or folder\n",
    )
