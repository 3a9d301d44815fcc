"""A list of pairs through one estimator, as `flowcli estimate --pairs` does it: a row's fault is its own.

Reading, the network and writing of neighbouring rows overlap. Nothing waits for a row that has not come yet: whoever
writes the list may wait for what becomes of each row.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import monotonic

from flowcli.errors import FlowcliError, FormatError, InputError
from flowcli.estimator import Estimator
from flowcli.io.pair_rows import BadRow, PairRow
from flowcli.io.sources import FramePair, FrameSource, PairName, open_source
from flowcli.jobs.background import in_background
from flowcli.jobs.listed_journal import Attempts, ListedJournal
from flowcli.jobs.memory import plan_layout
from flowcli.jobs.settings import BatchSettings
from flowcli.jobs.stream import estimate_pairs
from flowcli.output.inputs import InputFiles
from flowcli.output.listed import plan_row
from flowcli.output.plan import OutputPlan
from flowcli.output.scale import SequenceScale
from flowcli.output.writer import OutputWriter, PairFlow

# For a row that has not come, at an early end: a read from a pipe may never return.
_PATIENCE = 0.1


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row.

    Attributes:
        line: of the list.
        name: of the row; empty where it has none.
        files: its results.
        size: (height, width) of its frames.
        seconds: of the estimate, without reading and writing.
        scale: of its pictures in pixels.
        resumed: whether an earlier run has done it.
        fault: why it has no results.
    """

    line: int
    name: str = ""
    files: tuple[Path, ...] = ()
    size: tuple[int, int] | None = None
    seconds: float | None = None
    scale: float | None = None
    resumed: bool = False
    fault: FlowcliError | None = None


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A row whose frames are read."""

    row: PairRow
    source: FrameSource
    plan: OutputPlan
    pair: FramePair
    attempts: Attempts

    @property
    def files(self) -> list[list[Path]]:
        return [place.files(self.pair.name) for place in self.plan.destinations]


@dataclass(frozen=True, eq=False)
class _Estimated:
    loaded: _Loaded
    result: PairFlow
    seconds: float


class ListedPairs:
    """The work on a list of pairs."""

    def __init__(
        self,
        rows: Iterable[PairRow | BadRow],
        plan: OutputPlan,
        settings: BatchSettings,
        inputs: InputFiles,
        *,
        overwrite: bool,
        resume: bool,
        live: bool,
    ) -> None:
        """Describe it.

        Args:
            rows: of the list.
            plan: what `plan_listed` returns.
            settings: size and look.
            inputs: files that are read, which no output may replace; the frames of each row are added as it comes.
            overwrite: replace files that are there.
            resume: leave out what an earlier run has done.
            live: whether the rows come one by one, from somebody who may wait for each.
        """
        self._rows, self._plan, self._settings, self._inputs, self._live = rows, plan, settings, inputs, live
        self._overwrite, self._resume = overwrite, resume
        self._names: dict[str, int] = {}

    def run(self, estimator: Estimator) -> Generator[RowOutcome, None, None]:
        """Do it; yields what became of each row, in order, once its files are complete.

        Args:
            estimator: makes the flow.

        Raises:
            FormatError, InputError: the list itself cannot be read on.
            OutputError: a journal cannot be written.
            EngineError: the estimator failed.
        """
        faults = 0
        # Below a ceiling of memory each row is worked on by itself.
        limited = estimator.options is not None and estimator.options.memory is not None
        depth = 0 if limited else 1
        model = str(estimator.settings.get("model"))
        with ListedJournal(self._plan, self._settings, estimator.settings) as journal:
            loaded = in_background(self._load(estimator, journal), depth, patience=_PATIENCE if self._live else None)
            results = in_background(self._estimate(loaded, estimator), depth)
            with closing(results):
                for one in results:
                    outcome = self._write(one, journal, model) if isinstance(one, _Estimated) else one
                    # Nothing may hold its frames while the next ones are read.
                    del one
                    faults += outcome.fault is not None
                    yield outcome
            journal.complete = not faults

    def _load(self, estimator: Estimator, journal: ListedJournal) -> Iterator[_Loaded | RowOutcome]:
        for row in self._rows:
            if isinstance(row, BadRow):
                yield RowOutcome(row.line, fault=FormatError(row.reason))
                continue
            try:
                loaded = self._load_row(row, estimator, journal)
            except FlowcliError as fault:
                loaded = RowOutcome(row.line, row.name, fault=fault)
            yield loaded
            del loaded

    def _load_row(self, row: PairRow, estimator: Estimator, journal: ListedJournal) -> _Loaded | RowOutcome:
        first = self._names.setdefault(row.name, row.line)
        if first != row.line:
            raise FormatError(
                f"expected each name once, got it in line {first} and again in line {row.line}; give every row its "
                "own in the column name"
            )
        for frame in (row.frame1, row.frame2):
            if not _is_file(frame):
                raise InputError(f"line {row.line} names {str(frame)!r:.300}, found no file")
        self._inputs.add(row.frame1)
        self._inputs.add(row.frame2)
        settings = self._settings
        plan, name = plan_row(self._plan, row.name)
        source = open_source([str(row.frame1), str(row.frame2)], values=settings.values)
        settings.resize.target(source.size)
        attempts = journal.describe(row)
        files = [place.files(PairName(name)) for place in plan.destinations]
        for place, paths in zip(plan.destinations, files, strict=True):
            self._inputs.check(place, paths)
        if self._resume and not self._overwrite and journal.is_done(row, attempts, files):
            together = tuple(path for paths in files for path in paths)
            return RowOutcome(row.line, row.name, together, source.size, resumed=True)
        for place in plan.destinations:
            place.check([PairName(name)], overwrite=self._overwrite or self._resume)
        plan_layout(estimator, source, plan, settings.resize)
        with closing(source.pairs()) as pairs:
            pair = replace(next(pairs), name=PairName(name))
        return _Loaded(row, source, plan, pair, attempts)

    def _estimate(
        self, rows: Generator[_Loaded | RowOutcome, None, None], estimator: Estimator
    ) -> Iterator[_Estimated | RowOutcome]:
        # As many at once as fill the device; but nobody waits for rows that have not come.
        group = 1 if self._live else max(1, int(getattr(estimator.method, "pairs_at_once", 1)))
        with closing(rows):
            while chunk := list(islice(rows, group)):
                yield from self._estimate_group(chunk, estimator)
                # Nothing may hold its frames while the next ones are read.
                chunk.clear()

    def _estimate_group(
        self, rows: Sequence[_Loaded | RowOutcome], estimator: Estimator
    ) -> Iterator[_Estimated | RowOutcome]:
        pairs = [one.pair for one in rows if isinstance(one, _Loaded)]
        backward, resize = self._plan.needs_backward, self._settings.resize
        flows = estimate_pairs(pairs, estimator, backward=backward, resize=resize)
        for one in rows:
            if isinstance(one, RowOutcome):
                yield one
                continue
            began = monotonic()
            result = next(flows)
            yield _Estimated(one, result, monotonic() - began)
            del result

    def _write(self, one: _Estimated, journal: ListedJournal, model: str) -> RowOutcome:
        loaded, look = one.loaded, self._settings.look
        row, scale, files = loaded.row, SequenceScale(look.scale), loaded.files
        journal.start(row, loaded.attempts)
        try:
            replaces = self._overwrite or self._resume
            with OutputWriter(loaded.plan, loaded.source, look, scale, model, overwrite=replaces) as writer:
                writer.write(one.result)
        except FlowcliError as fault:
            return RowOutcome(row.line, row.name, size=loaded.source.size, fault=fault)
        journal.finish(row, loaded.attempts, files)
        return RowOutcome(
            row.line,
            row.name,
            tuple(path for paths in files for path in paths),
            loaded.source.size,
            one.seconds,
            scale.value if self._plan.has_pictures else None,
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the system takes
        return False
