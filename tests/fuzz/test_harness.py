"""The fuzzer finds what it is for: planted faults of every kind, and nothing else in good readers."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.io.flow.flo5 import encode_flo5
from fuzz import checksums
from fuzz.__main__ import main
from fuzz.campaign import Campaign, read_alone
from fuzz.inputs import make_input
from fuzz.regressions import Row
from fuzz.report import Findings, format_table
from fuzz.target import Seed, Target
from fuzz.targets import TARGETS
from fuzz.targets.flows import make_fields
from fuzz.worker import Limits

PATIENT, HASTY = Limits(seconds=5), Limits(seconds=0.2)

# A minute of waiting for planted faults; .ci/run has it.
pytestmark = pytest.mark.slow


class TwoLines(FormatError):
    """Gets around what FlowcliError does to its text."""

    def __str__(self) -> str:
        return f"{self.args[0]}: expected good\nfound something else"


def misbehave(path: Path) -> object:
    """Does what the file says."""
    word = path.read_bytes()
    match word:
        case b"good":
            return "good"
        case b"refuse":
            raise FormatError(f"{path}: expected good, found {word!r}")
        case b"nameless":
            raise FormatError("expected good, found something else")
        case b"two lines":
            raise TwoLines(path)
        case b"foreign":
            return {}["no such key"]
        case b"exit":
            sys.exit(3)
        case b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"loop":
            while True:
                pass
        case b"wait":
            time.sleep(600)
        case b"hog":
            np.ones(400 * 2**20, np.uint8).sum()
            raise FormatError(f"{path}: expected less")
        case b"greed":
            np.ones(40 * 2**30, np.uint8)
        case b"print":
            print("hello")
        case b"warn":
            os.write(2, b"libpng warning")
    return str(word)


def planted(word: str, answer: object = None, **options: object) -> Target:
    return Target(f"planted-{word}", ".txt", misbehave, Planted(word, answer, **options))


class Planted:
    """Seeds: a good file, and the one to be found among good ones."""

    def __init__(self, word: str, answer: object, **options: object) -> None:
        self.word, self.answer, self.options = word, answer, options

    def __call__(self) -> list[Seed]:
        bad = Seed(self.word, self.word.encode(), self.answer, **{"readable": False, **self.options})
        return [Seed("good", b"good", "good"), bad, Seed("good again", b"good", "good")]


PLANTED = {
    "nameless": ("foreign", "does not name the file"),
    "two lines": ("foreign", "of several lines"),
    "foreign": ("foreign", r"KeyError at test_harness.py:\d+: 'no such key'"),
    "exit": ("foreign", "SystemExit"),
    "crash": ("crash", "SIGSEGV"),
    "loop": ("hang", "0.2 s of processor time|waiting after 2.4 s"),  # on a busy machine the clock may be first
    "wait": ("hang", "waiting after 2.4 s"),
    "hog": ("memory", r"[34]\d\d MiB, allowed are 256; refused: .*expected less"),
    "greed": ("memory", "MemoryError"),
    "print": ("foreign", "wrote to stdout, where results go: hello"),
}


@pytest.mark.parametrize("word", PLANTED)
def test_a_planted_fault_is_found_and_the_rest_is_read(word: str, tmp_path: Path) -> None:
    kind, detail = PLANTED[word]
    target = planted(word)
    limits = HASTY if kind == "hang" else PATIENT
    campaign = Campaign([target], 1, limits)
    findings = Findings(tmp_path / "failures")
    found = []
    for finding in campaign.run(3):
        assert findings.wants(finding)
        findings.keep(finding, campaign.data(finding), "replay {path}")
        found.append(finding)
    assert [(finding.number, finding.verdict.kind) for finding in found] == [(1, kind)]
    assert re.search(detail, found[0].verdict.detail)
    tally = campaign.tallies[target.name]
    assert (tally.tried, tally.accepted, tally.refused, tally.bad[kind]) == (3, 2, 0, 1)
    assert re.search(r"total +3 +2 +0", format_table(campaign.tallies))
    (kept,) = (tmp_path / "failures" / kind).iterdir()
    assert kept.read_bytes() == word.encode()
    assert f"replay {kept}" in findings.summary()
    assert read_alone(target, kept.read_bytes(), limits).kind == kind


def test_refused_noisy_and_wrong() -> None:
    cases = {
        planted("refuse"): ["refused"],
        planted("refuse", readable=True): ["wrong"],
        planted("warn"): ["accepted", "noise"],
        planted("good", "something else"): ["wrong"],
        planted("good", "good"): ["accepted"],
    }
    for target, expected in cases.items():
        campaign = Campaign([target], 1, PATIENT)
        kinds = [finding.verdict.kind for finding in campaign.run(3)]
        tally = campaign.tallies[target.name]
        kinds += ["accepted"] * (tally.accepted - 2) + ["refused"] * tally.refused
        assert sorted(kinds) == expected


def test_good_readers_pass_and_the_same_seed_gives_the_same_inputs() -> None:
    """A few hundred inputs for readers that were fuzzed with millions."""
    targets = [TARGETS[name] for name in ("flow-flo", "flow-pfm", "flow-npy", "bmp", "webp")]
    campaign = Campaign(targets, 7, Limits(), jobs=2)
    bad = [finding for finding in campaign.run(400) if finding.verdict.kind != "noise"]
    assert bad == []
    for tally in campaign.tallies.values():
        assert tally.tried == 80
        assert tally.accepted > 5
        assert tally.refused > 5
    for target in targets:
        seeds = target.make_seeds()
        mutated = [make_input(target, seeds, 7, number).data for number in range(40)]
        assert mutated == [make_input(target, seeds, 7, number).data for number in range(40)]
        assert len(set(mutated[len(seeds) :])) > 20


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_the_same_each_time_and_their_checksums_stay(name: str) -> None:
    """What repairs a mutated file knows the format: it changes nothing in a good one."""
    target = TARGETS[name]
    seeds = target.make_seeds()
    assert [seed.data for seed in seeds] == [seed.data for seed in target.make_seeds()]
    if target.repair is not None:
        for seed in seeds:
            assert not seed.mutable or target.repair(seed.data) == seed.data, seed.name


def test_hdf5_checksums() -> None:
    # The vector of lookup3.c.
    assert checksums._lookup3(b"Four score and seven years ago") == 0x17770551
    data = encode_flo5(make_fields()["one pixel"])
    assert checksums.repair_hdf5(data) == data


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        command = ["fuzz", "--target", "flow-flo", "--failures", str(tmp_path / "kept"), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        return main(), capsys.readouterr().out

    code, output = run("--inputs", 50)
    assert code == 0
    assert re.search(r"^flow-flo +50 ", output, re.MULTILINE)
    assert not (tmp_path / "kept").exists()
    path = tmp_path / "x.flo"
    path.write_bytes(b"PIEH")
    assert run("--replay", path) == (0, "refused\n")
    path.write_bytes(TARGETS["flow-flo"].make_seeds()[0].data)
    assert run("--replay", path) == (0, "accepted\n")
    code, output = run("--row", path)
    (row,) = eval(f"({output})", {"Row": Row})
    assert (row.target, row.data) == ("flow-flo", path.read_bytes())
    assert run("--list") == (0, "flow-flo (*.flo): known everywhere, known in part, one pixel\n")
