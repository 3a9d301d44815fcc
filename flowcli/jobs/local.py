"""The jobs of a batch one after the other in this process."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import closing

from flowcli.estimator import Estimator
from flowcli.jobs.faults import Failed
from flowcli.jobs.item import work_item
from flowcli.jobs.job import Assigned, Event, Interrupted, ItemJob

Report = tuple[str, Event | Assigned | Interrupted | Failed]
Reports = Generator[Report, "ItemJob | None", None]


def run_here(jobs: Iterable[ItemJob], estimator: Estimator) -> Generator[tuple[str, Event | Failed], object, None]:
    """Do the jobs one after the other; yields what happens, with the name of the item.

    Whatever an item raises ends that item only.
    """
    for job in jobs:
        try:
            with closing(work_item(job, estimator)) as events:
                for event in events:
                    yield job.item.name, event
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            yield job.item.name, Failed.by(error)


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
