"""What `batch` and `stats` share: the items of a batch through an engine, with a bar, and what is told at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowcli.cli.console import complain, message, progress_bar
from flowcli.errors import InputError

if TYPE_CHECKING:
    from flowcli.jobs.engines import EngineChoice
    from flowcli.jobs.outcome import Outcome
    from flowcli.jobs.plan import BatchItem
    from flowcli.jobs.settings import BatchSettings
    from flowcli.jobs.shard import Shard
    from flowcli.options import EstimatorOptions


@dataclass(frozen=True)
class BatchRequest:
    """A batch as the user asked for it; see `flowcli.jobs.batch.Batch`.

    Attributes:
        engine: who does them.
        keep_going: whether a bad input does not stop the others.
    """

    items: Sequence[BatchItem]
    settings: BatchSettings
    folder: Path
    shard: Shard
    engine: EngineChoice
    keep_going: bool
    overwrite: bool


@dataclass(frozen=True)
class BatchReport:
    """What came of it.

    Attributes:
        outcomes: of the items that have ended.
        size: number of items.
        pairs: number of pairs that are written, those of earlier runs included.
        seconds: wall time.
        settings: of the estimator.
    """

    outcomes: Sequence[Outcome]
    size: int
    pairs: int
    seconds: float
    settings: dict[str, object]

    def as_plain(self) -> dict[str, object]:
        """Return it as dictionaries, lists and numbers, with every file that belongs to the results."""
        items = [
            asdict(outcome)
            | {"outputs": [str(path) for path in outcome.outputs], "files": [str(path) for path in outcome.files]}
            for outcome in self.outcomes
        ]
        return {"items": items, "pairs": self.pairs, "seconds": self.seconds, "settings": self.settings}

    def tell_faults(self) -> None:
        """Say which inputs are not complete and why; raises InputError if there are any."""
        faults = [outcome for outcome in self.outcomes if outcome.fault is not None]
        for outcome in faults:
            complain(f"{outcome.name}: {outcome.fault}")
        if faults:
            raise InputError(f"{len(faults)} of {self.size} inputs could not be used or not to their end; listed above")


def run_batch(
    request: BatchRequest,
    estimator_options: EstimatorOptions,
    show: Callable[[Outcome], None] = lambda _: None,
    description: str = "batch",
) -> BatchReport:
    """Do a batch; `show` is told of each item that ends. See `flowcli.jobs.batch.Batch` for what it raises."""
    from flowcli.io.sources import expect_pairs
    from flowcli.jobs.batch import Batch
    from flowcli.jobs.engines import open_engine

    began = time.monotonic()
    settings = request.settings

    def expect(item: BatchItem) -> int:
        return expect_pairs(item.inputs, settings.selection, settings.fps, settings.same_length)

    with open_engine(request.engine, estimator_options, message) as (engine, described):
        work = Batch(request.items, settings, request.folder, described, request.shard)
        running = work.run(engine, expect, overwrite=request.overwrite, notify=message)
        with progress_bar(description) as bar, closing(running) as run:
            for outcome in run:
                if outcome is not None:
                    show(outcome)
                bar.total = work.total
                bar.update(work.done - bar.n)
                if outcome is not None and outcome.fault is not None and not request.keep_going:
                    break
    return BatchReport(work.outcomes, work.size, work.done, round(time.monotonic() - began, 3), described)
