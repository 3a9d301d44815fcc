"""An estimate into folders that can be continued: until it is complete each folder has a journal, as a batch keeps it.

It notes every PART pairs, whose files are complete by then; a continued run begins with the first part that any of the
folders lacks, and gives the same files as one that was never interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

from flowcli.errors import OutputError, UsageError
from flowcli.io.own_results import STATE_FOLDER
from flowcli.io.sources import FrameSource
from flowcli.jobs.attempt import Attempt
from flowcli.jobs.job import measure_files
from flowcli.jobs.journal import Journal
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.settings import PART, BatchSettings
from flowcli.output.plan import Output, OutputPlan

_JOURNAL = "estimate.jsonl"


class SequenceProgress(AbstractContextManager["SequenceProgress"]):
    """How far an estimate into folders is.

    Attributes:
        done: number of pairs that need not be estimated again.
        scale: of the pictures so far, if there are any.
    """

    def __init__(
        self,
        plan: OutputPlan,
        source: FrameSource,
        settings: BatchSettings,
        estimator: dict[str, object],
        *,
        resume: bool,
    ) -> None:
        """Open the journals, and find the place to go on.

        Args:
            plan: outputs that are all folders, which are there.
            source: the input, rereadable and of known length.
            settings: selection, size and look.
            estimator: `Estimator.settings`.
            resume: go on with what is there; otherwise it is forgotten.

        Raises:
            OutputError: the folders hold something else, or cannot be written.
        """
        assert source.count is not None
        item = BatchItem(source.stem, tuple(str(path) for path in source.paths))
        fingerprint = item.fingerprint()
        self._name = hashlib.sha256("\0".join(item.origin).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._count, self._names = source.count, [source.name(k) for k in range(source.count)]
        self._stack = ExitStack()
        self._rows: list[tuple[Output, Journal, Attempt]] = []
        for output in plan.outputs:
            described = json.loads(json.dumps({"estimator": estimator, "outputs": settings.describe(output)}))
            attempt = Attempt(item.origin[:1], fingerprint, described, source.count, None)
            journal = self._stack.enter_context(closing(open_journal(output)))
            self._rows.append((output, journal, attempt))
        parts = [self._find_part(*row) for row in self._rows] if resume else [0]
        self.done = min(self._count, min(parts) * PART)
        self._written = self.done
        self.scale: float | None = None
        for output, journal, attempt in self._rows if self.done else ():
            self.scale = self.scale or journal.attempts(self._name, output.kind)[attempt.mark].scale

    def start(self, scale: float | None) -> None:
        """Note that the work begins with pictures of this scale, unless it goes on."""
        for output, journal, attempt in () if self.done else self._rows:
            journal.start(self._name, output.kind, replace(attempt, scale=scale if output.is_drawn else None))

    def advance(self, pairs: int) -> None:
        """Note that the first `pairs` pairs are written."""
        self._written = pairs
        if pairs % PART and pairs < self._count:
            return
        part = (pairs - 1) // PART
        for output, journal, attempt in self._rows:
            names = self._names[part * PART : pairs]
            paths = [path for name in names for path in output.destination.files(name)]
            files = measure_files(output.destination.path, paths)
            journal.part(self._name, output.kind, attempt, part, files)

    def __exit__(self, *error: object) -> None:
        """Close the journals, and remove them if nothing was written, or nothing is left to do."""
        self._stack.close()
        if self._written in (0, self._count):
            for output, _, _ in self._rows:
                remove_journal(output)

    def _find_part(self, output: Output, journal: Journal, attempt: Attempt) -> int:
        mine = journal.attempts(self._name, output.kind).get(attempt.mark)
        if mine is None:
            files = (path for name in self._names for path in output.destination.files(name))
            there = next((path for path in files if path.exists()), None)
            if there is not None:
                raise OutputError(
                    f"{there}: is not of an estimate of this input with these settings, which --resume could go on "
                    "with; use --overwrite to begin anew"
                )
            return 0
        part = 0
        while part * PART < self._count and mine.holds_part(part, output.destination.path):
            part += 1
        return part


def check_resumable(plan: OutputPlan, source: FrameSource) -> None:
    """Raise UsageError unless an estimate with these outputs can be continued."""
    if not can_resume(plan, source):
        for destination in plan.destinations:
            if not destination.is_folder:
                raise UsageError(
                    f"{destination.path}: --resume goes on with folders of files; name a folder/, or use flowcli "
                    "batch, which goes on with videos too"
                )
        raise UsageError("--resume needs an input that can be read again, got a stream")


def can_resume(plan: OutputPlan, source: FrameSource) -> bool:
    """Return whether an estimate can be continued: from files of known number into folders."""
    folders: Sequence[bool] = [destination.is_folder for destination in plan.destinations]
    return all(folders) and source.rereadable and source.count is not None and bool(source.paths)


def find_interrupted(plan: OutputPlan) -> Path | None:
    """Return a folder of the plan in which an estimate was interrupted, or None."""
    return next((one.destination.path for one in plan.outputs if place_journal(one).exists()), None)


def place_journal(output: Output) -> Path:
    """Return where the journal of an output folder lies."""
    return output.destination.path / STATE_FOLDER / _JOURNAL


def remove_journal(output: Output) -> None:
    """Remove the journal of an output folder, of which nothing is left to be done."""
    path = place_journal(output)
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def open_journal(output: Output) -> Journal:
    """Open the journal of an output folder; raises OutputError."""
    path = place_journal(output)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: the folder cannot be made: {error.strerror or error}") from error
    return Journal(path)
