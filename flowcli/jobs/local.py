"""The jobs of a batch one after the other in this process, and the estimator that does them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowcli.jobs.faults import Failed
from flowcli.jobs.item import Event, ItemJob, work_item
from flowcli.jobs.stream import FlowEstimator

if TYPE_CHECKING:
    from flowcli.estimator import Estimator

Report = tuple[str, Event | Failed]


@dataclass(frozen=True)
class EstimatorOptions:
    """The arguments of `Estimator`, to be built where they are needed."""

    model: str = "compact"
    device: str = "auto"
    precision: str = "auto"
    memory: float | None = None
    batch: int | None = None
    overlap: int | None = None
    threads: int | None = None
    guess: str = "auto"
    polish: bool | None = None
    preset: str | None = None
    kernels: str = "auto"

    def build(self, threads: int | None = None) -> Estimator:
        """Return the estimator; `threads` is for when the options leave it open."""
        from flowcli.estimator import Estimator

        return Estimator(
            self.model,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            batch=self.batch,
            overlap=self.overlap,
            threads=self.threads or threads,
            guess=self.guess,
            polish=self.polish,
            preset=self.preset,
            kernels=self.kernels,
        )


def run_here(jobs: Iterable[ItemJob], estimator: FlowEstimator) -> Generator[Report, None, None]:
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
