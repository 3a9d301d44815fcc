"""Numbers beyond what machines and libraries bear: one line and exit code 2, in every command that takes them."""

import math
import sys

import pytest

from flowcli.cli.app import main
from flowcli.cli.limits import within
from flowcli.errors import UsageError

MEMORY = [f"--memory {value}" for value in ("nan", "inf", "0", "-1", "1e300")]
THREADS = [f"--threads {value}" for value in ("0", "-1", "100000", "99999999999999999999999")]
SEEDS = [f"--seed {value}" for value in ("-1", "9223372036854775808", "99999999999999999999999")]
COMMANDS = {
    "estimate a.png b.png": MEMORY + THREADS,
    "batch in -o out": [*MEMORY, *THREADS, "--jobs 0", "--jobs 100000"],
    "evaluate --pairs pairs.csv": MEMORY + THREADS,
    "bench": MEMORY + THREADS,
    "demo": THREADS + SEEDS,
    "train -o run": THREADS + SEEDS,
}


@pytest.mark.parametrize("line", [f"{command} {option}" for command, options in COMMANDS.items() for option in options])
def test_numbers_out_of_range(tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["flowcli", *line.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    option = line.split()[-2]
    assert captured.err.startswith(f"flowcli: {option}: expected ")
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["1e99999999", "1e-99999999", "nan", "1/0", "-1", "9" * 5000])
def test_frame_rates_are_read_in_no_time(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(sys, "argv", ["flowcli", "estimate", "a.png", "b.png", "--fps", text])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2


@pytest.mark.parametrize("text", ["9" * 19, "9" * 5000, "1:" + "0" * 40])
def test_moments_that_nobody_means(monkeypatch, capsys, text):
    monkeypatch.setattr(sys, "argv", ["flowcli", "estimate", "-", "--size", "8x8", "--end", text])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2


def test_within_keeps_what_is_in_range():
    check = within("--x", 1, 3, "a number from 1 to 3")
    assert [check(value) for value in (None, 1, 2.5, 3)] == [None, 1, 2.5, 3]
    with pytest.raises(UsageError, match="--x: expected a number from 1 to 3, got nan"):
        check(math.nan)
