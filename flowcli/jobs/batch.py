"""A batch from plan to summary: what is done already, what has to be done again, and the work itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from flowcli.errors import InputError, OutputError
from flowcli.io.atomic import find_temporary_files
from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.attempt import Attempt, Files, place_work
from flowcli.jobs.faults import Failed, forget_details, keep_details
from flowcli.jobs.item import Advanced, Ended, Event, ItemJob, PartDone, Started, Task
from flowcli.jobs.journal import Journal, list_journals
from flowcli.jobs.local import Report
from flowcli.jobs.lock import hold_folder
from flowcli.jobs.moving import finish_attempt, name_finally, remove_files
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.jobs.shard import WHOLE, Shard
from flowcli.jobs.triage import Finding, State, examine
from flowcli.output.plan import Output

Engine = Callable[[list[ItemJob]], Generator[Report, None, None]]
# What is begun only if the user asks for it.
_ON_REQUEST = {State.OTHER, State.TAKEN}


@dataclass(frozen=True)
class Outcome:
    """How an item ended.

    Attributes:
        name: of the item.
        outputs: its files and folders, or none.
        files: every file of its results, those of earlier runs included.
        fault: why it is not complete, or None.
        pairs: number of pairs that are written.
        skipped: whether all of it was there already.
    """

    name: str
    outputs: tuple[Path, ...]
    fault: str | None
    pairs: int
    skipped: bool = False
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Survey:
    """An item, and how it stands with each of its outputs; or why its input cannot be looked at."""

    item: BatchItem
    outputs: tuple[Output, ...]
    findings: tuple[Finding, ...] = ()
    fault: str | None = None


class Batch:
    """The items of one batch, or of one part of it, in one output folder.

    Attributes:
        total: number of pairs of all items, as far as it is known.
        done: number of pairs that are written, those of earlier runs included.
        outcomes: of the items that have ended.
    """

    def __init__(
        self,
        items: Sequence[BatchItem],
        settings: BatchSettings,
        folder: Path,
        estimator: dict[str, object],
        shard: Shard = WHOLE,
    ) -> None:
        """Describe the batch.

        Args:
            items: from `plan_batch`.
            settings: for all of them.
            folder: for the results; made if it is not there.
            estimator: `Estimator.settings`.
            shard: the part to do; other processes may do the others at the same time.
        """
        self._items = {item.name: item for item in shard.take(items)}
        self._settings, self._folder, self._shard = settings, folder, shard
        # What all parts have to agree on, so that no two of them do the same item.
        plan = json.dumps([(item.name, item.origin) for item in items])
        self._plan_digest = hashlib.sha256(plan.encode()).hexdigest()[:16]
        self._estimator = estimator
        self._surveys: dict[str, _Survey] = {}
        self._jobs: dict[str, ItemJob] = {}
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._expected: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self.outcomes: list[Outcome] = []

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self._items)

    @property
    def total(self) -> int:
        """Pairs of all items."""
        return sum(self._expected.values())

    @property
    def done(self) -> int:
        """Pairs that are written."""
        return sum(self._written.values())

    def run(
        self,
        engine: Engine,
        expect: Callable[[BatchItem], int],
        *,
        overwrite: bool,
        notify: Callable[[str], None] = lambda _: None,
    ) -> Generator[Outcome | None, None, None]:
        """Do what is not done; yields the outcome of each item that ends, and None for what happens in between.

        Args:
            engine: does the jobs that it is given.
            expect: the number of pairs of an item at a glance; corrected when the item is opened.
            overwrite: replace results of other settings and whatever else is in the way; each stays until its
                replacement is complete.
            notify: is told in one line each what the user should know besides.

        Raises:
            OutputError: another batch is at work in the folder, results would have to be replaced and `overwrite` is
                not given, or the folder cannot be written.
        """
        state = self._folder / STATE_FOLDER
        try:
            state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: the folder cannot be made: {error.strerror or error}") from error
        with (
            hold_folder(self._folder, state, self._shard, self._plan_digest, notify),
            closing(self._open_journal(state)) as journal,
        ):
            self._remove_leftovers()
            for name, item in self._items.items():
                self._finish_moves(journal, item)
                self._surveys[name] = self._survey(journal, item)
            if not overwrite:
                self._ask(notify)
            jobs = [job for survey in self._surveys.values() if (job := self._plan(survey, overwrite)) is not None]
            for job in jobs:
                self._jobs[job.item.name] = job
                self._expected.setdefault(job.item.name, expect(job.item))
            yield from self.outcomes
            try:
                with closing(engine(jobs)) as reports:
                    for name, event in reports:
                        for note in event.notes if isinstance(event, Started) else ():
                            notify(note)
                        yield self._note(journal, name, event)
            finally:
                self._remove_leftovers()

    def _open_journal(self, state: Path) -> Journal:
        mark = self._shard.mark
        path = state / (f"journal-{mark}.jsonl" if mark else "journal.jsonl")
        return Journal(path, [other for other in list_journals(state) if other != path])

    def _remove_leftovers(self) -> None:
        # What a killed run or worker was writing; with the lock held only other parts of this batch write here.
        found = find_temporary_files(self._folder)
        remove_files(path for path, owner in found if self._shard.owns(owner))

    def _outputs(self, item: BatchItem) -> tuple[Output, ...]:
        return self._settings.arrange(self._folder, item.name, is_pair=item.is_pair).outputs

    def _finish_moves(self, journal: Journal, item: BatchItem) -> None:
        # A run was killed while a complete result took its names: that comes first, whatever is wanted now.
        for output in self._outputs(item):
            for attempt in list(journal.attempts(item.name, output.kind).values()):
                if attempt.moving:
                    ending = attempt.pairs or 0, attempt.final, attempt.fault
                    finish_attempt(journal, item.name, output, attempt, self._folder, ending)

    def _survey(self, journal: Journal, item: BatchItem) -> _Survey:
        outputs = self._outputs(item)
        try:
            fingerprint = item.fingerprint()
        except InputError as error:
            return _Survey(item, outputs, fault=str(error))
        attempts = {kind: journal.attempts(item.name, kind) for kind in journal.kinds(item.name)}
        known = {path for tried in attempts.values() for attempt in tried.values() for path in attempt.files}
        findings: list[Finding] = []
        for output in outputs:
            described = {"estimator": self._estimator, "outputs": self._settings.describe(output)}
            # As the journal gives it back.
            wanted = Attempt(item.origin, fingerprint, json.loads(json.dumps(described)), None, None)
            tried = attempts.get(output.kind, {})
            try:
                findings.append(examine(wanted, tried, output.destination, known, self._folder))
            except OSError as error:
                # A name that the file system does not take, most likely.
                reason = f"{output.destination.path}: cannot be looked at: {error.strerror or error}"
                return _Survey(item, outputs, fault=reason)
        return _Survey(item, outputs, tuple(findings))

    def _ask(self, notify: Callable[[str], None]) -> None:
        # Refuse what would replace results; tell of what stays as somebody made it.
        found = [finding for survey in self._surveys.values() for finding in survey.findings]
        taken = [finding.about for finding in found if finding.state is State.TAKEN]
        other = [finding.about for finding in found if finding.state is State.OTHER]
        if other:
            differing = ", ".join(dict.fromkeys(name for names in other for name in names.split(", ")))
            raise OutputError(
                f"{self._folder}: {len(other)} result{'s' if len(other) > 1 else ''} would change, made with other "
                f"settings ({differing}); use --overwrite to replace them, or name another folder with -o"
            )
        if taken:
            more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
            raise OutputError(
                f"{taken[0]}: already exists and is not of this batch; use --overwrite to replace it{more}"
            )
        for finding in found:
            if finding.state is State.EDITED:
                notify(
                    f"{self._folder / finding.about}: was changed by somebody since it was made; it is kept, "
                    "--overwrite makes it again"
                )
        outdated = sum(finding.state is State.OUTDATED for finding in found)
        if outdated:
            notify(f"{self._folder}: {outdated} result{'s' if outdated > 1 else ''} made again, of inputs that changed")

    def _plan(self, survey: _Survey, overwrite: bool) -> ItemJob | None:
        # What is left to do of an item; None if it has ended.
        item, name = survey.item, survey.item.name
        self._written[name] = 0
        if survey.fault is not None:
            self._expected[name] = 0
            self.outcomes.append(Outcome(name, (), survey.fault, 0))
            return None
        left = {State.OPEN, State.OUTDATED, *((*_ON_REQUEST, State.EDITED) if overwrite else ())}
        tasks: list[Task] = []
        scale: float | None = None
        at_least = 0
        for output, finding in zip(survey.outputs, survey.findings, strict=True):
            attempt = finding.attempt
            if finding.state not in left:
                continue
            self._attempts[name, output.kind] = attempt
            begin = place_work(self._folder, name, output.kind)
            work = begin.with_name(f"{begin.name}-{attempt.mark}")
            tasks.append(Task(output, work, attempt.staged, finding.first_part))
            if finding.first_part == 0:
                shutil.rmtree(work, ignore_errors=True)
            elif scale is None:
                scale = attempt.scale
            at_least = max(at_least, 0 if overwrite else finding.replaces)
        known = [finding.attempt for finding in survey.findings if finding.attempt.pairs is not None]
        if known:
            self._expected[name] = known[0].pairs or 0
        if not tasks:
            fault = next((finding.attempt.fault for finding in survey.findings if finding.attempt.fault), None)
            self._written[name] = self._expected.setdefault(name, 0)
            files = tuple(self._folder / path for found in survey.findings for path in found.attempt.files)
            self.outcomes.append(Outcome(name, _paths(survey), fault, self._written[name], True, files))
            return None
        job = ItemJob(item, self._settings, self._folder, tuple(tasks), self._shard.mark, scale, at_least)
        self._written[name] = min(job.first_part * PART, self._expected.get(name, 0))
        return job

    def _note(self, journal: Journal, name: str, event: Event | Failed) -> Outcome | None:
        job = self._jobs[name]
        if isinstance(event, Started):
            self._expected[name], self._written[name] = event.pairs, min(event.part * PART, event.pairs)
            for task in job.tasks:
                # Not where a worker goes on that took the place of one that died.
                if task.first_part == 0 and event.part == job.first_part:
                    kind, scale = task.output.kind, event.scale if task.output.is_drawn else None
                    attempt = replace(self._attempts[name, kind], pairs=event.pairs, scale=scale, parts={})
                    journal.start(name, kind, attempt)
            return None
        if isinstance(event, Advanced):
            self._written[name] += 1
            return None
        if isinstance(event, PartDone):
            for kind, files in event.files.items():
                journal.part(name, kind, self._current(journal, name, kind), event.part, files)
            return None
        if isinstance(event, Failed):
            if not (self._folder / STATE_FOLDER).is_dir():
                raise OutputError(f"{self._folder}: the output folder was removed while the batch was running")
            fault = keep_details(event, self._folder / STATE_FOLDER, name)
        else:
            fault = self._finish(journal, job, event)
            forget_details(self._folder / STATE_FOLDER, name)
        self._expected[name] = self._written[name]
        survey = self._surveys[name]
        if isinstance(event, Failed):
            outcome = Outcome(name, (), fault, self._written[name])
        else:
            files = self._list_files(journal, survey)
            outcome = Outcome(name, _paths(survey), fault, self._written[name], files=files)
        self.outcomes.append(outcome)
        return outcome

    def _finish(self, journal: Journal, job: ItemJob, event: Ended) -> str | None:
        # Note what is complete, and return the fault of the item.
        name, fault = job.item.name, event.fault
        for task in job.tasks:
            kind = task.output.kind
            attempt = self._current(journal, name, kind)
            files = event.files[kind]
            if task.staged:
                before = [one.pairs or 0 for one in journal.attempts(name, kind).values() if one.ended]
                if event.fault is not None and max(before, default=0) > event.pairs:
                    fault = f"{event.fault}; the earlier result of {max(before)} pairs is kept"
                    continue
                together: Files = {}
                for part in attempt.parts.values():
                    together |= part
                files = name_finally(_without_segments(together, task) | files, task.output, self._folder)
            try:
                finish_attempt(journal, name, task.output, attempt, self._folder, (event.pairs, files, event.fault))
            except OutputError as error:
                if not (self._folder / STATE_FOLDER).is_dir():
                    raise
                fault = str(error)
        return fault

    def _list_files(self, journal: Journal, survey: _Survey) -> tuple[Path, ...]:
        latest = (list(journal.attempts(survey.item.name, output.kind).values())[-1:] for output in survey.outputs)
        return tuple(self._folder / path for attempts in latest for attempt in attempts for path in attempt.files)

    def _current(self, journal: Journal, name: str, kind: str) -> Attempt:
        return journal.attempts(name, kind)[self._attempts[name, kind].mark]


def _without_segments(files: Files, task: Task) -> Files:
    return {} if task.output.destination.is_joined else files


def _paths(survey: _Survey) -> tuple[Path, ...]:
    return tuple(output.destination.path for output in survey.outputs)
