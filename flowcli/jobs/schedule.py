"""Which call comes next when many workers share the items of a batch, and what is told when calls end or are lost.

An item is opened by its first call, which does at most SPAN parts; of a longer one other workers do the others at the
same time. A call that was lost is planned anew by whoever keeps the journal, and given up after TRIES losses without a
part in between, so that an item that kills its workers is a fault like any other. Nothing here knows where workers are.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from flowcli.jobs.faults import Failed
from flowcli.jobs.job import Advanced, Ended, Event, Interrupted, ItemJob, Left, PartDone, Started, count_parts
from flowcli.jobs.local import Report
from flowcli.jobs.settings import PART

SPAN = 4
"""Parts of one call: 64 pairs, enough to make what a call costs small, and little to do again if it is lost."""
TRIES = 3
"""Deaths of workers at one place of an item before it is a fault."""
LOSSES = 10
"""The same for lost machines: these come and go by themselves, and seldom because of an item."""


@dataclass(frozen=True, eq=False)
class Call:
    """What one worker is to do."""

    job: ItemJob

    @property
    def name(self) -> str:
        """Of the item."""
        return self.job.item.name


@dataclass(eq=False)
class _Course:
    """How far an item is.

    Attributes:
        job: what is left of it.
        total: number of its parts; None until it was opened.
        waiting: parts that no call has.
        calls: that are at work.
        left: what those before have left.
        failed: why the item cannot be done.
        deaths: of workers, and of machines, by the part that was to be done.
        is_closing: whether a call is asked to end it.
        has_ended: whether nothing is left to do.
    """

    job: ItemJob
    total: int | None = None
    waiting: set[int] = field(default_factory=set[int])
    calls: set[Call] = field(default_factory=set[Call])
    left: list[Left] = field(default_factory=list[Left])
    failed: Failed | None = None
    deaths: Counter[tuple[int, bool]] = field(default_factory=Counter[tuple[int, bool]])
    is_closing: bool = False
    has_ended: bool = False

    @property
    def stop(self) -> int | None:
        """The pair at which the input ends early, as far as it is known."""
        return min((left.pairs for left in self.left if left.pairs is not None), default=None)

    def is_wanted(self, part: int) -> bool:
        """Whether a part counts: not after the place where the input ends."""
        return self.stop is None or part * PART < self.stop


class Schedule:
    """The calls of a batch.

    Attributes:
        open: number of items that have not ended.
    """

    def __init__(self, jobs: Iterable[ItemJob]) -> None:
        self._courses = {job.item.name: _Course(job) for job in jobs}
        # An item once for each of its calls; those that are begun come first, so that they end.
        self._ready = deque(self._courses.values())
        self.open = len(self._courses)

    @property
    def waiting(self) -> int:
        """Number of calls that could be made now, at most."""
        return len(self._ready)

    def next_call(self) -> Call | None:
        """Return the next call; None if all that can be done now is being done."""
        while self._ready:
            course = self._ready.popleft()
            if course.has_ended or course.failed is not None:
                continue
            if course.total is None:
                span = course.job.next_open(SPAN)
            elif course.is_closing:
                span = ()
            else:
                span = tuple(sorted(filter(course.is_wanted, course.waiting))[:SPAN])
                if not span:
                    continue
            course.waiting.difference_update(span)
            call = Call(replace(course.job, span=span, calls=tuple(course.left)))
            course.calls.add(call)
            return call
        return None

    def note(self, call: Call, event: Event | Failed) -> list[Report]:
        """Take what a worker tells of its call; return what the batch is to be told."""
        course, name = self._courses[call.name], call.name
        if isinstance(event, Started):
            if course.total is not None:
                return []
            course.total = count_parts(event.pairs)
            course.job = course.job.after((), event.scale if course.job.scale is None else course.job.scale)
            course.waiting = set(range(course.total)) - course.job.done - set(call.job.span or ())
            self._make_ready(course)
            return [(name, event)]
        if isinstance(event, Advanced):
            return [(name, event)] if course.is_wanted(event.part) else []
        if isinstance(event, PartDone):
            if not course.is_wanted(event.part):
                return []
            course.job = course.job.after([event.part], course.job.scale)
            return [(name, event)]
        course.calls.discard(call)
        if isinstance(event, Ended):
            course.has_ended = True
            self.open -= 1
            return [(name, event)]
        if isinstance(event, Left):
            course.left.append(event)
        elif course.failed is None:
            course.failed = event
        return self._settle(course)

    def lose(self, call: Call, reason: str, *, machine: bool) -> list[Report]:
        """Take that the worker of a call died, or its whole machine; return what the batch is to be told.

        If that is an Interrupted, `resume` has to follow with the answer.
        """
        course = self._courses[call.name]
        if call not in course.calls:
            # It had told of its end before.
            return []
        course.calls.discard(call)
        course.is_closing = False
        if course.failed is None:
            place = next((part for part in call.job.span or () if part not in course.job.done), -1), machine
            course.deaths[place] += 1
            if course.deaths[place] < (LOSSES if machine else TRIES):
                return [(call.name, Interrupted(reason))]
            what = "machine was lost" if machine else "worker process died"
            course.failed = Failed(f"its {what} {course.deaths[place]} times ({reason})")
        return self._settle(course)

    def resume(self, call: Call, job: ItemJob | None) -> None:
        """Take what is left of the item of a lost call; None: as far as the calls have told."""
        course = self._courses[call.name]
        if job is not None:
            course.job = replace(course.job, tasks=job.tasks)
        if course.total is None:
            self._ready.appendleft(course)
            return
        busy = {part for other in course.calls for part in other.job.span or ()}
        course.waiting = {part for part in range(course.total) if part not in course.job.done} - busy
        self._make_ready(course)
        self._settle(course)

    def _make_ready(self, course: _Course) -> None:
        for _ in range(-(-sum(map(course.is_wanted, course.waiting)) // SPAN)):
            self._ready.appendleft(course)

    def _settle(self, course: _Course) -> list[Report]:
        if course.calls or course.has_ended:
            return []
        if course.failed is not None:
            course.has_ended = True
            self.open -= 1
            return [(course.job.item.name, course.failed)]
        if course.total is not None and not any(map(course.is_wanted, course.waiting)) and not course.is_closing:
            course.is_closing = True
            self._ready.appendleft(course)
        return []
