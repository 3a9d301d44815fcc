"""How it stands with the outputs of an item before a batch begins, and what a batch does only when it is asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import InputError, OutputError
from flowcli.jobs.attempt import Attempt
from flowcli.jobs.journal import Journal
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.triage import Finding, State, examine
from flowcli.output.plan import Output


@dataclass(frozen=True)
class Survey:
    """An item, and how it stands with each of its outputs; or why its input cannot be looked at."""

    item: BatchItem
    outputs: tuple[Output, ...]
    findings: tuple[Finding, ...] = ()
    fault: str | None = None


def survey_item(
    journal: Journal, item: BatchItem, wanted: Sequence[tuple[Output, dict[str, object]]], folder: Path
) -> Survey:
    """Return how it stands with the outputs of an item, each given with all settings that it depends on."""
    outputs = tuple(output for output, _ in wanted)
    try:
        fingerprint = item.fingerprint()
    except InputError as error:
        return Survey(item, outputs, fault=str(error))
    attempts = {kind: journal.attempts(item.name, kind) for kind in journal.kinds(item.name)}
    known = {path for tried in attempts.values() for attempt in tried.values() for path in attempt.files}
    findings: list[Finding] = []
    for output, described in wanted:
        # As the journal gives it back.
        attempt = Attempt(item.origin, fingerprint, json.loads(json.dumps(described)), None, None)
        tried = attempts.get(output.kind, {})
        try:
            findings.append(examine(attempt, tried, output.destination, known, folder))
        except OSError as error:
            # A name that the file system does not take, most likely.
            reason = f"{output.destination.path}: cannot be looked at: {error.strerror or error}"
            return Survey(item, outputs, fault=reason)
    return Survey(item, outputs, tuple(findings))


def ask_before_replacing(surveys: Iterable[Survey], folder: Path, notify: Callable[[str], None]) -> None:
    """Tell of what stays as somebody made it; raises OutputError where results would be replaced."""
    found = [finding for survey in surveys for finding in survey.findings]
    taken = [finding.about for finding in found if finding.state is State.TAKEN]
    other = [finding.about for finding in found if finding.state is State.OTHER]
    if other:
        differing = ", ".join(dict.fromkeys(name for names in other for name in names.split(", ")))
        raise OutputError(
            f"{folder}: {len(other)} result{'s' if len(other) > 1 else ''} would change, made with other "
            f"settings ({differing}); use --overwrite to replace them, or name another folder with -o"
        )
    if taken:
        more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
        raise OutputError(f"{taken[0]}: already exists and is not of this batch; use --overwrite to replace it{more}")
    for finding in found:
        if finding.state is State.EDITED:
            notify(
                f"{folder / finding.about}: was changed by somebody since it was made; it is kept, "
                "--overwrite makes it again"
            )
    outdated = sum(finding.state is State.OUTDATED for finding in found)
    if outdated:
        notify(f"{folder}: {outdated} result{'s' if outdated > 1 else ''} made again, of inputs that changed")
