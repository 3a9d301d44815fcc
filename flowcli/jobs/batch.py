"""A batch from plan to summary: what is done already, what has to be done again, and the work itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.io.atomic import find_temporary_files
from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.attempt import Attempt, Files, place_work
from flowcli.jobs.faults import Failed, forget_details, keep_details
from flowcli.jobs.job import Advanced, Assigned, Ended, Event, Interrupted, ItemJob, Left, PartDone, Started, Task
from flowcli.jobs.journal import Journal, list_journals
from flowcli.jobs.local import Reports
from flowcli.jobs.lock import hold_folder
from flowcli.jobs.moving import finish_attempt, name_finally, remove_files
from flowcli.jobs.outcome import Outcome
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.jobs.shard import WHOLE, Shard
from flowcli.jobs.survey import Survey, ask_before_replacing, survey_item
from flowcli.jobs.triage import State
from flowcli.output.plan import Output

# What becomes of the jobs that it is given; one that tells of an Interrupted item is sent what is left of it.
Engine = Callable[[list[ItemJob]], Reports]
# What is begun only if the user asks for it.
_ON_REQUEST = {State.OTHER, State.TAKEN}


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
        self._surveys: dict[str, Survey] = {}
        self._jobs: dict[str, ItemJob] = {}
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._expected: dict[str, int] = {}
        # Of each item the pairs that are written, by part: one that is done again counts once.
        self._written: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, str]] = set()
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
        return sum(map(self._count, self._written))

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
                ask_before_replacing(self._surveys.values(), self._folder, notify)
            jobs = [job for survey in self._surveys.values() if (job := self._plan(survey, overwrite)) is not None]
            for job in jobs:
                self._jobs[job.item.name] = job
                self._expected.setdefault(job.item.name, expect(job.item))
            yield from self.outcomes
            try:
                with closing(engine(jobs)) as reports:
                    answer: ItemJob | None = None
                    while True:
                        try:
                            name, event = reports.send(answer)
                        except StopIteration:
                            break
                        answer = self._plan_again(journal, name) if isinstance(event, Interrupted) else None
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

    def _survey(self, journal: Journal, item: BatchItem) -> Survey:
        outputs: list[tuple[Output, dict[str, object]]] = [
            (output, {"estimator": self._estimator, "outputs": self._settings.describe(output)})
            for output in self._outputs(item)
        ]
        return survey_item(journal, item, outputs, self._folder)

    def _plan(self, survey: Survey, overwrite: bool) -> ItemJob | None:
        # What is left to do of an item; None if it has ended.
        item, name = survey.item, survey.item.name
        self._written[name] = {}
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
            tasks.append(Task(output, work, attempt.staged, finding.done))
            if not finding.done:
                shutil.rmtree(work, ignore_errors=True)
            else:
                self._begun.add((name, output.kind))
                scale = attempt.scale if scale is None else scale
            at_least = max(at_least, 0 if overwrite else finding.replaces)
        known = [finding.attempt for finding in survey.findings if finding.attempt.pairs is not None]
        if known:
            self._expected[name] = known[0].pairs or 0
        if not tasks:
            fault = next((finding.attempt.fault for finding in survey.findings if finding.attempt.fault), None)
            self._written[name] = {0: self._expected.setdefault(name, 0)}
            files = tuple(self._folder / path for found in survey.findings for path in found.attempt.files)
            self.outcomes.append(Outcome(name, _paths(survey), fault, self._count(name), True, files))
            return None
        job = ItemJob(item, self._settings, self._folder, tuple(tasks), self._shard.mark, scale, at_least)
        self._count_done(name, job)
        return job

    def _plan_again(self, journal: Journal, name: str) -> ItemJob:
        # What is left of an item whose work was cut off, by what the journal says and by what is there.
        job = self._jobs[name]
        tasks: list[Task] = []
        for task in job.tasks:
            kind = task.output.kind
            begun = (name, kind) in self._begun
            done = self._current(journal, name, kind).find_done(self._folder) if begun else frozenset[int]()
            tasks.append(replace(task, done=done))
        job = self._jobs[name] = replace(job, tasks=tuple(tasks))
        self._written[name] = {}
        self._count_done(name, job)
        return job

    def _count_done(self, name: str, job: ItemJob) -> None:
        expected = self._expected.get(name, 0)
        for part in job.done:
            self._written[name][part] = max(0, min(PART, expected - part * PART))

    def _count(self, name: str) -> int:
        return sum(self._written[name].values())

    def _note(self, journal: Journal, name: str, event: Event | Assigned | Interrupted | Failed) -> Outcome | None:
        job, written = self._jobs[name], self._written[name]
        if isinstance(event, Assigned):
            self._note_assigned(journal, job)
            return None
        if isinstance(event, Started):
            self._expected[name] = event.pairs
            self._count_done(name, job)
            scale = event.scale if job.scale is None else job.scale
            self._jobs[name] = replace(job, scale=scale)
            for task in job.tasks:
                # Not where the work goes on, be it of an earlier run or of a worker that died.
                if (name, task.output.kind) not in self._begun:
                    kind, drawn = task.output.kind, scale if task.output.is_drawn else None
                    attempt = replace(self._attempts[name, kind], pairs=event.pairs, scale=drawn, parts={})
                    journal.start(name, kind, attempt)
                    self._begun.add((name, kind))
            return None
        if isinstance(event, Advanced):
            written[event.part] = event.pairs
            return None
        if isinstance(event, PartDone):
            written[event.part] = event.pairs
            for kind, files in event.files.items():
                journal.part(name, kind, self._current(journal, name, kind), event.part, files)
            return None
        if isinstance(event, Left | Interrupted):
            return None
        if isinstance(event, Failed):
            if not (self._folder / STATE_FOLDER).is_dir():
                raise OutputError(f"{self._folder}: the output folder was removed while the batch was running")
            fault = keep_details(event, self._folder / STATE_FOLDER, name)
        else:
            fault = self._finish(journal, job, event)
            forget_details(self._folder / STATE_FOLDER, name)
            self._written[name] = {0: event.pairs}
        self._expected[name] = self._count(name)
        survey = self._surveys[name]
        if isinstance(event, Failed):
            outcome = Outcome(name, (), fault, self._count(name))
        else:
            files = self._list_files(journal, survey)
            outcome = Outcome(name, _paths(survey), fault, self._count(name), files=files)
        self.outcomes.append(outcome)
        return outcome

    def _note_assigned(self, journal: Journal, job: ItemJob) -> None:
        # Another process may write files, and this one be killed, before it hears of them: the journal owns up first.
        for kind in (task.output.kind for task in job.tasks):
            attempt = self._attempts[job.item.name, kind]
            if attempt.mark not in journal.attempts(job.item.name, kind):
                journal.start(job.item.name, kind, replace(attempt, pairs=None, scale=None, parts={}))

    def _finish(self, journal: Journal, job: ItemJob, event: Ended) -> str | None:
        # Note what is complete, and return the fault of the item.
        name, fault = job.item.name, event.fault
        for task in job.tasks:
            kind = task.output.kind
            attempt = self._cut_off(journal, name, kind, event.parts)
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

    def _cut_off(self, journal: Journal, name: str, kind: str, parts: int) -> Attempt:
        # The attempt without what was done after the place where its input ends.
        attempt = self._current(journal, name, kind)
        beyond = [part for part in attempt.parts if part >= parts]
        if beyond:
            remove_files(self._folder / path for part in beyond for path in attempt.parts[part])
            journal.start(name, kind, replace(attempt, parts={}))
            for part in sorted(attempt.parts.keys() - beyond):
                journal.part(name, kind, attempt, part, attempt.parts[part])
        return self._current(journal, name, kind)

    def _list_files(self, journal: Journal, survey: Survey) -> tuple[Path, ...]:
        latest = (list(journal.attempts(survey.item.name, output.kind).values())[-1:] for output in survey.outputs)
        return tuple(self._folder / path for attempts in latest for attempt in attempts for path in attempt.files)

    def _current(self, journal: Journal, name: str, kind: str) -> Attempt:
        return journal.attempts(name, kind)[self._attempts[name, kind].mark]


def _without_segments(files: Files, task: Task) -> Files:
    return {} if task.output.destination.is_joined else files


def _paths(survey: Survey) -> tuple[Path, ...]:
    return tuple(output.destination.path for output in survey.outputs)
