"""What a campaign found: a table, and a folder with an example of every cause."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fuzz.campaign import BAD, Finding, Tally

_KEPT = 3
"""Inputs that are written for each cause."""


class Findings:
    """Sorts findings by cause and writes the first inputs of each to a folder, which is made with the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._examples: dict[tuple[str, str, str], str] = {}

    def wants(self, finding: Finding) -> bool:
        """Count a finding; tell whether its input should be kept."""
        cause = _cause(finding)
        self._counts[cause] += 1
        return self._counts[cause] <= (1 if finding.verdict.kind == "noise" else _KEPT)

    def keep(self, finding: Finding, data: bytes, command: str) -> str:
        """Write the input and return the lines that say what it does and how to see it again.

        Args:
            finding: what happened.
            data: the input.
            command: reproduces it, with {path} for the file.
        """
        target, verdict = finding.target, finding.verdict
        folder = self._folder / verdict.kind
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}{target.suffix}"
        path.write_bytes(data)
        line = (
            f"{verdict.kind}: {target.name} input {finding.number}: {verdict.detail}\n    {command.format(path=path)}"
        )
        self._examples.setdefault(_cause(finding), line)
        with (self._folder / "findings.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return line

    def summary(self) -> str:
        """One entry per cause, the most frequent first; bad ones before noise."""
        causes = sorted(self._counts, key=lambda cause: (cause[0] == "noise", -self._counts[cause]))
        return "\n".join(f"{self._counts[cause]:6d} x {self._examples[cause]}" for cause in causes)


def _cause(finding: Finding) -> tuple[str, str, str]:
    return finding.verdict.kind, finding.target.name, finding.verdict.place


def format_table(tallies: Mapping[str, Tally]) -> str:
    """A row per target and their sum; inputs/s are by the time of one processor."""
    header = ("target", "tried", "accepted", "refused", *BAD, "noisy", "inputs/s")
    rows = [_row(name, tally) for name, tally in tallies.items()]
    total = Tally(bad=dict.fromkeys(BAD, 0))
    for tally in tallies.values():
        total.accepted += tally.accepted
        total.refused += tally.refused
        total.noisy += tally.noisy
        total.seconds += tally.seconds
        for kind in BAD:
            total.bad[kind] += tally.bad[kind]
    rows.append(_row("total", total))
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    counts = (tally.tried, tally.accepted, tally.refused, *(tally.bad[kind] for kind in BAD), tally.noisy)
    rate = tally.tried / tally.seconds if tally.seconds else 0
    return name, *map(str, counts), f"{rate:.0f}"
