"""Workers wherever they are, and a batch done by them: what an engine does whatever its workers run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Assigned, Event, Interrupted, ItemJob
from flowcli.jobs.local import Reports
from flowcli.jobs.schedule import Call, Schedule

Told = Event | Failed


@dataclass(frozen=True)
class Lost:
    """A worker has died at its call, alone or with its machine."""

    reason: str
    machine: bool = False


class Crew(Protocol):
    """Workers that do one call at a time."""

    def prepare(self, jobs: Sequence[ItemJob]) -> None:
        """Get ready for these jobs."""
        ...

    def give(self, call: Call) -> bool:
        """Hand a call to a worker; False if none is free."""
        ...

    def hear(self, waiting: int) -> list[tuple[Call, list[Told] | Lost]]:
        """Wait a while, and return what workers tell, of each in order; so many calls could be given to others.

        Raises:
            EngineError: the workers cannot do the work.
        """
        ...


def run_in_crew(jobs: Sequence[ItemJob], crew: Crew) -> Reports:
    """Do the jobs; yields what happens as it happens, items and parts of long items side by side.

    An Interrupted may be answered with what is left of its item.

    Raises:
        EngineError: the workers cannot do the work.
    """
    schedule = Schedule(jobs)
    if jobs:
        crew.prepare(jobs)
    given: Call | None = None
    assigned: set[str] = set()
    while schedule.open:
        while (given := given or schedule.next_call()) is not None:
            if given.name not in assigned:
                assigned.add(given.name)
                yield given.name, Assigned()
            if not crew.give(given):
                break
            given = None
        for call, told in crew.hear(schedule.waiting + (given is not None)):
            if isinstance(told, Lost):
                reports = schedule.lose(call, told.reason, machine=told.machine)
            else:
                reports = [noted for event in told for noted in schedule.note(call, event)]
            for name, event in reports:
                answer = yield name, event
                if isinstance(event, Interrupted):
                    schedule.resume(call, answer)
