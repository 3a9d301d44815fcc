"""A batch from plan to summary: what is done already, what has to be done again, and the work itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from flowcli.errors import InputError, OutputError
from flowcli.io.atomic import find_temporary_files
from flowcli.jobs.item import PART, STATE_FOLDER, Advanced, BatchSettings, Ended, Event, ItemJob, PartDone, Started
from flowcli.jobs.journal import Files, ItemRecord, Journal
from flowcli.jobs.local import Failed, Report
from flowcli.jobs.lock import hold_folder
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.shard import WHOLE, Shard

Engine = Callable[[list[ItemJob]], Generator[Report, None, None]]


@dataclass(frozen=True)
class Outcome:
    """How an item ended.

    Attributes:
        name: of the item.
        outputs: its files and folders, or none.
        fault: why it is not complete, or None.
        pairs: number of pairs that are written.
        skipped: whether all of it was there already.
    """

    name: str
    outputs: tuple[Path, ...]
    fault: str | None
    pairs: int
    skipped: bool = False


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
        self._jobs = {item.name: ItemJob(item, settings, folder, shard.mark) for item in shard.take(items)}
        self._folder, self._shard = folder, shard
        # What all parts have to agree on, so that no two of them do the same item.
        plan = json.dumps([(item.name, item.origin) for item in items])
        self._plan_digest = hashlib.sha256(plan.encode()).hexdigest()[:16]
        # As the journal gives it back.
        described = {"estimator": estimator, "outputs": settings.describe()}
        self._described: dict[str, object] = json.loads(json.dumps(described))
        self._fingerprints: dict[str, str] = {}
        self._expected: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self.outcomes: list[Outcome] = []

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self._jobs)

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
            overwrite: begin anew, and replace whatever is in the way.
            notify: is told in one line each what the user should know besides.

        Raises:
            OutputError: another batch is at work in the folder, it holds what is not of this batch, or it cannot be
                written.
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
            jobs = [job for name in self._jobs if (job := self._plan(name, journal, overwrite)) is not None]
            for job in jobs:
                self._expected.setdefault(job.item.name, expect(job.item))
            yield from self.outcomes
            try:
                with closing(engine(jobs)) as reports:
                    for name, event in reports:
                        yield self._note(journal, name, event)
            finally:
                self._remove_leftovers()

    def _open_journal(self, state: Path) -> Journal:
        mark = self._shard.mark
        path = state / (f"journal-{mark}.jsonl" if mark else "journal.jsonl")
        return Journal(path, sorted(other for other in state.glob("journal*.jsonl") if other != path))

    def _remove_leftovers(self) -> None:
        # What a killed run or worker was writing; with the lock held only other parts of this batch write here.
        found = find_temporary_files(self._folder)
        _remove(path for path, owner in found if self._shard.owns(owner))

    def _plan(self, name: str, journal: Journal, overwrite: bool) -> ItemJob | None:
        # What is left to do of an item; None if it has ended.
        job, record = self._jobs[name], journal.items.get(name)
        item = job.item
        self._written[name] = 0
        try:
            fingerprint = self._fingerprints[name] = item.fingerprint()
        except InputError as error:
            self._expected[name] = 0
            self.outcomes.append(Outcome(name, (), str(error), 0))
            return None
        if record is None or overwrite:
            if not overwrite:
                self._check_absent(job)
            self._forget(job, record)
            return job
        if record.origin != item.origin:
            raise OutputError(
                f"{self._folder}: holds results named {name} of {record.origin[0]}, not of {item.origin[0]}; "
                "name another folder with -o, or use --overwrite"
            )
        if (record.fingerprint, record.settings) != (fingerprint, self._described):
            self._forget(job, record)
            return job
        if record.pairs is not None:
            self._expected[name] = record.pairs
        if record.ended:
            if self._holds({path: size for path, size in record.files.items() if not _is_state(path)}):
                self._written[name] = record.pairs or 0
                self.outcomes.append(Outcome(name, _paths(job), record.fault, record.pairs or 0, skipped=True))
                return None
            self._forget(job, record)
            return job
        part = 0
        while part in record.parts and self._holds(record.parts[part]):
            part += 1
        self._written[name] = min(part * PART, record.pairs or 0)
        return replace(job, first_part=part, scale=record.scale)

    def _note(self, journal: Journal, name: str, event: Event | Failed) -> Outcome | None:
        job = self._jobs[name]
        if isinstance(event, Started):
            self._expected[name] = event.pairs
            if self._written[name] == 0:
                record = ItemRecord(
                    job.item.origin, self._fingerprints[name], self._described, event.pairs, event.scale
                )
                journal.start(name, record)
            return None
        if isinstance(event, Advanced):
            self._written[name] += 1
            return None
        if isinstance(event, PartDone):
            journal.part(name, event.part, event.files)
            return None
        fault = event.reason if isinstance(event, Failed) else event.fault
        if isinstance(event, Ended):
            journal.end(name, event.pairs, event.files, fault)
            shutil.rmtree(job.segments, ignore_errors=True)
        self._expected[name] = self._written[name]
        outcome = Outcome(name, () if isinstance(event, Failed) else _paths(job), fault, self._written[name])
        self.outcomes.append(outcome)
        return outcome

    def _holds(self, files: Files) -> bool:
        try:
            return all((self._folder / path).stat().st_size == size for path, size in files.items())
        except OSError:
            return False

    def _check_absent(self, job: ItemJob) -> None:
        for destination in job.plan.destinations:
            path = destination.path
            if path.is_file() or (destination.is_folder and path.is_dir() and any(path.glob(f"*{destination.suffix}"))):
                raise OutputError(f"{path}: already exists and is not of this batch; use --overwrite to replace it")

    def _forget(self, job: ItemJob, record: ItemRecord | None) -> None:
        if record is not None:
            _remove(self._folder / path for path in record.files)
        shutil.rmtree(job.segments, ignore_errors=True)


def _is_state(path: str) -> bool:
    return path.startswith(f"{STATE_FOLDER}/")


def _paths(job: ItemJob) -> tuple[Path, ...]:
    return tuple(destination.path for destination in job.plan.destinations)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from error
