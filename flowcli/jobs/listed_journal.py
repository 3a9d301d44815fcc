"""Which rows of a list of pairs are done: a journal in each output folder until all rows are, as for a sequence.

Each row is an item of one part; a line before its files are written and one after them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.io.pair_rows import PairRow
from flowcli.jobs.attempt import Attempt
from flowcli.jobs.job import measure_files
from flowcli.jobs.plan import BatchItem
from flowcli.jobs.resume import open_journal, remove_journal
from flowcli.jobs.settings import BatchSettings
from flowcli.output.plan import OutputPlan

Attempts = Sequence[Attempt]


class ListedJournal(AbstractContextManager["ListedJournal"]):
    """The journals of all folders of a plan.

    Attributes:
        complete: whether nothing is left that another run could do; they are removed at the end then.
    """

    def __init__(self, plan: OutputPlan, settings: BatchSettings, estimator: dict[str, object]) -> None:
        """Open them.

        Args:
            plan: what `plan_listed` returns.
            settings: size and look.
            estimator: `Estimator.settings`.

        Raises:
            OutputError: a folder cannot be made, or its journal is damaged.
        """
        self.complete = False
        self._stack = ExitStack()
        self._outputs = plan.outputs
        self._settings = [
            json.loads(json.dumps({"estimator": estimator, "outputs": settings.describe(output)}))
            for output in plan.outputs
        ]
        for output in plan.outputs:
            try:
                output.destination.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                path = output.destination.path
                raise OutputError(f"{path}: the folder cannot be made: {error.strerror or error}") from error
        self._journals = [self._stack.enter_context(closing(open_journal(output))) for output in plan.outputs]

    def describe(self, row: PairRow) -> Attempts:
        """Return what each output of a row is made of; raises InputError if a frame is gone."""
        item = BatchItem(row.name, (str(row.frame1), str(row.frame2)))
        fingerprint = item.fingerprint()
        return [Attempt(item.origin, fingerprint, settings, 1, None) for settings in self._settings]

    def is_done(self, row: PairRow, attempts: Attempts, files: Sequence[Sequence[Path]]) -> bool:
        """Return whether an earlier run has done a row, and its results are there as they were written.

        Args:
            row: the row.
            attempts: what `describe` returns.
            files: of each output.

        Raises:
            OutputError: there is a result that these journals know nothing of.
        """
        found = [self._find(row, k, attempt) for k, attempt in enumerate(attempts)]
        for mine, paths in zip(found, files, strict=True):
            there = next((path for path in paths if path.exists()), None)
            if mine is None and there is not None:
                raise OutputError(
                    f"{there}: is not of an estimate of this pair with these settings, which --resume could go on "
                    "with; use --overwrite to begin anew"
                )
        return all(
            mine is not None and mine.holds_part(0, output.destination.path)
            for mine, output in zip(found, self._outputs, strict=True)
        )

    def start(self, row: PairRow, attempts: Attempts) -> None:
        """Note that the files of a row will be written; raises OutputError."""
        for k, attempt in enumerate(attempts):
            self._journals[k].start(row.name, self._outputs[k].kind, attempt)

    def finish(self, row: PairRow, attempts: Attempts, files: Sequence[Sequence[Path]]) -> None:
        """Note that they are complete; raises OutputError."""
        for k, attempt in enumerate(attempts):
            output = self._outputs[k]
            marks = measure_files(output.destination.path, list(files[k]))
            self._journals[k].part(row.name, output.kind, attempt, 0, marks)

    def __exit__(self, *error: object) -> None:
        """Close them, and remove them where nothing is left to do."""
        self._stack.close()
        if self.complete:
            for output in self._outputs:
                remove_journal(output)

    def _find(self, row: PairRow, k: int, attempt: Attempt) -> Attempt | None:
        return self._journals[k].attempts(row.name, self._outputs[k].kind).get(attempt.mark)
