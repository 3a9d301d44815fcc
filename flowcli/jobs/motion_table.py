"""One table of motion statistics from the rows of all clips of a batch, whichever run or machine made them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import FormatError, OutputError
from flowcli.io.atomic import check_writable, write_bytes
from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.attempt import FileMark
from flowcli.jobs.journal import list_journals, read_ledger
from flowcli.jobs.outcome import Outcome
from flowcli.jobs.plan import BatchItem
from flowcli.motion.clip import ClipSummary
from flowcli.motion.columns import CLIP_COLUMNS, PAIR_COLUMNS, Column
from flowcli.output.destination import ROWS_SUFFIX
from flowcli.output.plan import FORWARD_MOTION, MOTION
from flowcli.output.rows import read_rows
from flowcli.output.table import check_table, format_csv, write_table

NOT_YET = "not done yet"
_DONE = "ok"


@dataclass(frozen=True)
class MotionTable:
    """The rows of the clips of a batch.

    Attributes:
        items: of the whole batch.
        folder: of the results of the batch.
        per_clip: a row per clip instead of one per pair.
    """

    items: Sequence[BatchItem]
    folder: Path
    per_clip: bool = False

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns of the table."""
        return CLIP_COLUMNS if self.per_clip else PAIR_COLUMNS

    def rows(self, outcomes: Sequence[Outcome] = ()) -> Iterator[dict[str, object]]:
        """Yield the rows in the order of the batch; a clip without results has none, or one that says why.

        Args:
            outcomes: of this run; what others did is in the journals.

        Raises:
            OutputError: the rows of a clip cannot be read.
        """
        faults = self._read_faults() | {outcome.name: outcome.fault for outcome in outcomes}
        for item in self.items:
            path, summary = self.file(item), ClipSummary()
            source = " | ".join(item.inputs)
            for row in _read(path):
                if self.per_clip:
                    summary.add(row)
                else:
                    yield {"clip": item.name, "input": source} | row
            if self.per_clip:
                status = faults.get(item.name) or (_DONE if path.exists() else NOT_YET)
                yield summary.row(item.name, source, status)

    def write(self, path: Path, outcomes: Sequence[Outcome] = ()) -> None:
        """Write the table, once more if another machine has completed a clip meanwhile; raises OutputError."""
        while True:
            before = self._look()
            write_table(path, self.columns, self.rows(outcomes))
            _remember(self.folder, path)
            if self._look() == before:
                return

    def as_csv(self, outcomes: Sequence[Outcome] = ()) -> str:
        """Return the table as text; raises OutputError."""
        return format_csv(self.columns, self.rows(outcomes))

    def file(self, item: BatchItem) -> Path:
        """Return where the rows of an item are."""
        return self.folder / f"{item.name}{ROWS_SUFFIX}"

    def _look(self) -> list[FileMark | None]:
        return [FileMark.of(self.file(item)) for item in self.items]

    def _read_faults(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        kinds = [f"{content}{ROWS_SUFFIX}" for content in (MOTION, FORWARD_MOTION)]
        for journal in list_journals(self.folder / STATE_FOLDER):
            for (name, kind), attempts in read_ledger(journal)[0].attempts.items():
                ended = [attempt for attempt in attempts.values() if attempt.ended]
                if kind in kinds and ended:
                    found[name] = ended[-1].fault
        return found


def check_table_place(path: Path, folder: Path, *, overwrite: bool) -> None:
    """Check that a table can be written: it is not there, or is what this batch wrote; raises as `check_table` does.

    Raises:
        OutputError: something else has its name, or there is no folder for it.
    """
    check_table(path)
    check_writable(path, overwrite or _is_ours(folder, path))


def _read(path: Path) -> Iterator[dict[str, object]]:
    if not path.exists():
        return
    try:
        yield from read_rows(path)
    except (OSError, FormatError) as error:
        raise OutputError(f"{path}: cannot be read: {error}; --overwrite makes it again") from error


def _place(folder: Path, path: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]
    return folder / STATE_FOLDER / f"table-{digest}.json"


def _remember(folder: Path, path: Path) -> None:
    mark = FileMark.of(path)
    if mark is not None:
        write_bytes(_place(folder, path), json.dumps([mark.size, mark.changed]).encode())


def _is_ours(folder: Path, path: Path) -> bool:
    mark = FileMark.of(path)
    try:
        known = json.loads(_place(folder, path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return mark is not None and known == [mark.size, mark.changed]
