"""Workers in a Ray cluster: one actor and one estimator each, one call at a time (https://docs.ray.io/en/latest/ray-core).

The driver, which is the process that the user started, keeps the journal, the lock and the progress bar. Actors hold
nothing that is not written: one that dies is replaced wherever the cluster has room. What they tell comes as a stream,
and an actor that is ahead of the driver waits for it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowcli import __version__
from flowcli.errors import EngineError, UsageError
from flowcli.io.atomic import TEMPORARY_PREFIX
from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.crew import Lost, Told
from flowcli.jobs.job import ItemJob
from flowcli.jobs.ray_cluster import Cluster, check_ray, connect, describe_death, is_alive, list_machines
from flowcli.jobs.ray_worker import Absent, Greeting, RayWorker
from flowcli.jobs.schedule import Call
from flowcli.jobs.share import Share, divide
from flowcli.options import EstimatorOptions

AHEAD = 16
"""Messages of a worker that the driver has not heard: then the worker waits. Each is a few kilobytes."""
PATIENCE = 10.0
"""Seconds in which a file that one machine wrote has to show on another, and in which a larger cluster is noticed."""
DEATHS = 3
"""Workers that may die one after the other before they have begun; ten times as many where others do work."""
_TICK = 1.0
_REMIND = 60.0


@dataclass(frozen=True)
class Home:
    """What only the machine of the command knows.

    Attributes:
        place: the folder in which it was given.
        weights: the bytes of the checkpoint that its options name, if they name one that is no part of flowcli.
    """

    place: str
    weights: np.ndarray | None

    @classmethod
    def here(cls, options: EstimatorOptions) -> Home:
        """Return what this machine knows; raises WeightsError if there is no such checkpoint."""
        from flowcli.checkpoints.manifest import COARSE, EMBEDDED
        from flowcli.checkpoints.store import locate
        from flowcli.methods import named_methods

        comes_along = options.model in (EMBEDDED, COARSE, *named_methods())
        return cls(str(Path.cwd()), None if comes_along else np.fromfile(locate(options.model), np.uint8))


def write_probe(folder: Path, token: str) -> Path:
    """Write a probe into an output folder: what shows whether another machine sees the same folder."""
    probe = folder.absolute() / STATE_FOLDER / f"{TEMPORARY_PREFIX}{token}.probe"
    probe.write_text(token)
    return probe


def refuse_absent(told: Sequence[Told | Absent]) -> list[Told]:
    """Return what a worker tells; raises EngineError if it does not see an input that this machine sees."""
    for event in told:
        if isinstance(event, Absent) and Path(event.path).exists():
            raise EngineError(
                f"{event.path}: is not there on {event.machine}; all machines of the cluster have to see the inputs "
                "under the same names"
            )
    return [event for event in told if not isinstance(event, Absent)]


@dataclass(eq=False)
class _Member:
    """An actor, and what it is at.

    Attributes:
        actor: its handle.
        pending: what it was asked for: a reference, or the stream of a call; None if it is free.
        greeting: what it said of itself; None before that.
        call: that it is doing.
        answer: the file in which it says that it sees the output folder; None before it was asked, and after it did.
        has_looked: whether it sees the output folder.
    """

    actor: Any
    pending: Any
    greeting: Greeting | None = None
    call: Call | None = None
    answer: Path | None = None
    has_looked: bool = False


class RayCrew(AbstractContextManager["RayCrew"]):
    """Workers in a Ray cluster; a Crew.

    Attributes:
        settings: `Estimator.settings` of every worker.
    """

    def __init__(
        self,
        options: EstimatorOptions,
        cluster: Cluster,
        notify: Callable[[str], None] = lambda _: None,
        home: Home | None = None,
    ) -> None:
        """Connect, and wait for the first worker.

        Args:
            options: of the estimator that each worker builds.
            cluster: where.
            notify: is told in one line what the user should know.
            home: of the command; None: this process is the driver.

        Raises:
            EngineError: no Ray, no cluster, no room in it, or workers that cannot begin.
            FlowcliError: the estimator cannot be built.
        """
        check_ray()
        self._home = home or Home.here(options)
        self._check = refuse_absent if home is None else list
        self._options, self._cluster, self._notify = options, cluster, notify
        self._members: list[_Member] = []
        self._probe: Path | None = None
        self._token = secrets.token_hex(8)
        self._deaths = 0
        self._has_warned = False
        self._first: Greeting | None = None
        self._is_ours = connect(cluster.address)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @property
    def settings(self) -> dict[str, object]:
        """What determines the flow."""
        assert self._first is not None
        return dict(self._first.settings)

    def _prepare(self) -> None:
        import ray

        self._share = self._divide()
        self._looked_at = self._reminded = time.monotonic()
        # Ray brings an object to each machine once, however many workers ask for it.
        self._weights = None if self._home.weights is None else ray.put(self._home.weights)
        self._class = ray.remote(RayWorker)
        self._hire()
        while self._first is None:
            self.hear(0)

    def prepare(self, jobs: Sequence[ItemJob]) -> None:
        """Write the probe that every machine has to see; see Crew."""
        self.show(write_probe(jobs[0].folder, self._token), self._token)

    def show(self, probe: Path, token: str) -> None:
        """Let all workers look at a probe, which holds the token, before they are given anything."""
        self._probe, self._token = probe, token
        for member in self._members:
            if member.greeting is not None:
                self._ask_to_look(member)

    def give(self, call: Call) -> bool:
        """Hand a call to a free worker that sees the output folder; see Crew."""
        member = next((one for one in self._members if one.pending is None and one.has_looked), None)
        if member is None:
            return False
        streaming = member.actor.work.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
        member.call, member.pending = call, streaming.remote(call.job)
        return True

    def hear(self, waiting: int) -> list[tuple[Call, list[Told] | Lost]]:
        """See Crew."""
        import ray

        self._look_after(waiting)
        pending = {id(member.pending): member for member in self._members if member.pending is not None}
        asked = [member.pending for member in pending.values()]
        if not asked:
            time.sleep(_TICK / 10)
            return []
        ready, _ = ray.wait(asked, num_returns=1, timeout=_TICK)
        if ready:
            ready, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        told: list[tuple[Call, list[Told] | Lost]] = []
        for one in ready:
            told += self._hear_one(pending[id(one)])
        return told

    def close(self) -> None:
        """Dismiss all workers, and leave the cluster."""
        import ray

        for member in self._members:
            with suppress(Exception):  # whatever is wrong with the cluster, this process is to end
                ray.kill(member.actor)
        self._members = []
        if self._probe is not None:
            with suppress(OSError):
                self._probe.unlink(missing_ok=True)
        if self._is_ours:
            ray.shutdown()

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    # Workers.

    def _divide(self) -> Share:
        machines, cluster = list_machines(), self._cluster
        gpus = cluster.gpus
        if gpus is None:
            gpus = 1.0 if self._options.device != "cpu" and any(machine.gpus for machine in machines) else 0.0
        return divide(machines, workers=cluster.workers, gpus=gpus, threads=self._options.threads)

    def _hire(self) -> None:
        # What a worker has of a machine is fixed by the first look at the cluster, so that all are alike.
        share = self._share
        actor: Any = self._class.options(
            num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        ).remote()
        pending = actor.begin.remote(self._options, share.cpus, self._weights, self._home.place)
        self._members.append(_Member(actor, pending))

    def _look_after(self, waiting: int) -> None:
        # As many workers as there is work for, up to what fits; the cluster may have grown or shrunk.
        now = time.monotonic()
        if now - self._looked_at > PATIENCE and self._cluster.workers is None:
            self._looked_at = now
            with suppress(EngineError):  # all machines are gone; others may come
                self._share = Share(self._divide().workers, self._share.cpus, self._share.gpus)
        # Those that have no place yet are as good as free.
        free = sum(member.call is None for member in self._members)
        for _ in range(min(waiting - free, self._share.workers - len(self._members))):
            self._hire()
        if not self._members:
            self._hire()
        if any(member.greeting for member in self._members):
            self._reminded = now
        elif now - self._reminded > _REMIND:
            self._reminded = now
            gpus = f" and {self._share.gpus:g} GPU" if self._share.gpus else ""
            self._notify(f"waiting for a machine of the cluster with {self._share.cpus} CPU{gpus} to spare")

    # What they say.

    def _hear_one(self, member: _Member) -> list[tuple[Call, list[Told] | Lost]]:
        import ray
        from ray.exceptions import RayActorError, RayError, RayTaskError

        call = member.call
        try:
            if call is None:
                self._welcome(member, ray.get(member.pending))
                return []
            try:
                told = ray.get(next(member.pending))
            except StopIteration:
                member.call = member.pending = None
                return []
            return [(call, self._check(told))]
        except RayTaskError as error:
            if isinstance(error, RayActorError):
                raise
            raise RuntimeError(f"a worker failed:\n{error}") from error
        except RayError as error:
            return self._bury(member, error)

    def _welcome(self, member: _Member, said: Greeting | bool) -> None:
        member.pending = None
        if isinstance(said, Greeting):
            self._admit(said)
            member.greeting, self._deaths = said, 0
            if self._probe is not None:
                self._ask_to_look(member)
            return
        assert member.greeting is not None and self._probe is not None and member.answer is not None
        # Directories are cached for some seconds by network file systems.
        deadline = time.monotonic() + PATIENCE
        while said and not member.answer.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not said or not member.answer.exists():
            raise EngineError(
                f"{self._probe.parents[1]}: is another folder on {member.greeting.machine}; expected an output folder "
                "that all machines of the cluster share (of results for s3://, FLOWCLI_WORK names the one they wait in)"
            )
        member.answer.unlink(missing_ok=True)
        member.answer, member.has_looked = None, True

    def _admit(self, greeting: Greeting) -> None:
        if self._first is not None and greeting.arithmetic != self._first.arithmetic and not self._has_warned:
            self._has_warned = True
            self._notify(
                f"{greeting.machine} computes with {greeting.arithmetic}, {self._first.machine} with "
                f"{self._first.arithmetic}: the last digits of a flow may depend on the machine"
            )
        where = f"{greeting.machine} (node {greeting.node[:8]})"
        if isinstance(greeting.error, UsageError):
            raise greeting.error
        if greeting.error is not None:
            raise type(greeting.error)(f"{where}: {greeting.error}")
        if greeting.version != __version__:
            raise EngineError(f"{where}: expected flowcli {__version__} as here, found {greeting.version}")
        first = self._first = self._first or greeting
        differing = [key for key in first.settings if first.settings[key] != greeting.settings.get(key)]
        if differing:
            raise EngineError(
                f"{where}: would estimate with another {', '.join(differing)} than {first.machine}; results must not "
                "depend on the machine, so name what all of them have, as with --device cpu"
            )

    def _ask_to_look(self, member: _Member) -> None:
        assert self._probe is not None
        member.answer = self._probe.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.probe")
        member.pending = member.actor.look.remote(str(self._probe), str(member.answer), self._token)

    def _bury(self, member: _Member, error: Exception) -> list[tuple[Call, list[Told] | Lost]]:
        self._members.remove(member)
        reason = describe_death(error)
        if member.greeting is None:
            self._deaths += 1
            if self._deaths >= (DEATHS if self._first is None else 10 * DEATHS):
                raise EngineError(
                    f"{self._deaths} workers in a row died before they had begun ({reason}); run the same command "
                    "again to continue, with fewer --workers or more --threads for each"
                )
        if member.call is None:
            return []
        node = "" if member.greeting is None else member.greeting.node
        return [(member.call, Lost(reason, machine=not is_alive(node)))]
