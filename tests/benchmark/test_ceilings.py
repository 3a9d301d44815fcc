from __future__ import annotations

from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

import flowcli.benchmark.ceilings as ceilings
from flowcli.benchmark.ceilings import SIZES, Peak, format_ceilings
from flowcli.cli.app import app

Size = tuple[int, int]
PEAKS = [
    Peak("estimate", (1080, 1920), None, 0.61, 9.0, None),
    Peak("estimate", (1080, 1920), 0.5, 0.49, 9.5, None),
    Peak("batch", (2160, 3840), 1.0, 1.25, 30.0, None),
    Peak("batch", (2160, 3840), 0.5, 0.3, 2.0, "f: --memory 0.5: expected at least 0.97 for 3840x2160 frames (f)"),
]


def test_the_table_says_what_was_asked_held_and_refused() -> None:
    lines = [line.split() for line in format_ceilings(PEAKS).splitlines()]
    assert lines == [
        ["command", "size", "asked", "peak", "seconds"],
        ["estimate", "1920x1080", "-", "0.61", "9.0"],
        ["estimate", "1920x1080", "0.5", "0.49", "9.5"],
        ["batch", "3840x2160", "1", "1.25", "30.0", "over"],
        ["batch", "3840x2160", "0.5", "refused,", "at", "least", "0.97"],
    ]


def test_ceilings_reach_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    def measure(sizes: Sequence[Size], chosen: Sequence[float], flags: Sequence[str], announce: object) -> list[Peak]:
        seen.append((list(sizes), list(chosen), list(flags)))
        return PEAKS[:1]

    monkeypatch.setattr(ceilings, "measure_ceilings", measure)
    command = ["bench", "--ceiling", "0.5", "--ceiling", "2"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "0.61" in result.stdout
    CliRunner().invoke(app, [*command, "--size", "64x48", "--preset", "fast", "--model", "variational"])
    assert seen[0] == (list(SIZES), [0.5, 2.0], [])
    assert seen[1] == ([(48, 64)], [0.5, 2.0], ["--model", "variational", "--preset", "fast"])
    assert CliRunner().invoke(app, [*command, "--preset", "fast", "--preset", "best"]).exit_code != 0
    assert CliRunner().invoke(app, ["bench", "--ceiling", "nan"]).exit_code != 0


@pytest.mark.slow
def test_every_batch_does_its_work() -> None:
    # Found once that the second one had nothing to do, and held little.
    peaks = ceilings.measure_ceilings([(64, 96)], [None, 4.0], ["--model", "variational"])
    held = {(peak.command, peak.asked): peak.held for peak in peaks}
    assert held["batch", 4.0] > 0.8 * held["batch", None]
    assert not any(peak.refused for peak in peaks)
