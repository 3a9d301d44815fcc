"""A crew for a driver outside of the cluster, which it reaches as a Ray client (ray://HOST:PORT).

Clients get no streams from actors (https://docs.ray.io/en/latest/cluster/running-applications/job-submission). So the
crew itself is an actor in the cluster, and is asked again and again what it has heard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flowcli.errors import EngineError, FlowcliError
from flowcli.jobs.crew import Lost, Told
from flowcli.jobs.job import ItemJob
from flowcli.jobs.ray_cluster import Cluster, check_ray, connect
from flowcli.jobs.ray_crew import Home, RayCrew, refuse_absent, write_probe
from flowcli.jobs.schedule import Call
from flowcli.options import EstimatorOptions


@dataclass(frozen=True)
class _Heard:
    """What a relay answers: what calls tell, by their numbers; lines for the user; or what is wrong."""

    told: list[tuple[int, list[Told] | Lost]]
    notes: list[str]
    error: FlowcliError | None = None


class Relay:
    """The actor: a RayCrew inside of the cluster."""

    def __init__(self) -> None:
        """Do nothing yet: what fails later can be told."""
        self._crew: RayCrew | None = None
        self._numbers: dict[Call, int] = {}
        self._notes: list[str] = []

    def begin(
        self, options: EstimatorOptions, cluster: Cluster, home: Home
    ) -> tuple[dict[str, object] | None, FlowcliError | None]:
        """Gather workers; returns their settings, or why there are none."""
        try:
            self._crew = RayCrew(options, cluster, self._notes.append, home)
        except FlowcliError as error:
            return None, error
        return self._crew.settings, None

    def show(self, probe: str, token: str) -> None:
        """See RayCrew."""
        assert self._crew is not None
        self._crew.show(Path(probe), token)

    def give(self, number: int, job: ItemJob) -> bool:
        """Hand a call to a worker; see Crew."""
        assert self._crew is not None
        call = Call(job)
        if not self._crew.give(call):
            return False
        self._numbers[call] = number
        return True

    def hear(self, waiting: int) -> _Heard:
        """See Crew."""
        assert self._crew is not None
        try:
            told = self._crew.hear(waiting)
        except FlowcliError as error:
            return _Heard([], self._take_notes(), error)
        return _Heard([(self._numbers[call], what) for call, what in told], self._take_notes())

    def _take_notes(self) -> list[str]:
        notes, self._notes[:] = list(self._notes), []
        return notes


class RelayedCrew(AbstractContextManager["RelayedCrew"]):
    """The other end of a Relay; a Crew.

    Attributes:
        settings: `Estimator.settings` of every worker.
    """

    def __init__(
        self, options: EstimatorOptions, cluster: Cluster, notify: Callable[[str], None] = lambda _: None
    ) -> None:
        """Connect; see RayCrew."""
        check_ray()
        home = Home.here(options)
        self._notify = notify
        self._calls: dict[int, Call] = {}
        self._probe: Path | None = None
        self._relay: Any = None
        self._is_ours = connect(cluster.address)
        try:
            import ray

            self._relay = cast("Any", ray.remote(Relay)).options(num_cpus=0, max_restarts=0).remote()
            inside = Cluster(None, cluster.workers, cluster.gpus)
            settings, error = self._ask(self._relay.begin.remote(options, inside, home))
            if error is not None:
                raise error
        except BaseException:
            self.close()
            raise
        self.settings: dict[str, object] = settings

    def prepare(self, jobs: Sequence[ItemJob]) -> None:
        """See Crew."""
        token = os.urandom(8).hex()
        self._probe = write_probe(jobs[0].folder, token)
        self._ask(self._relay.show.remote(str(self._probe), token))

    def give(self, call: Call) -> bool:
        """See Crew."""
        number = len(self._calls)
        if not self._ask(self._relay.give.remote(number, call.job)):
            return False
        self._calls[number] = call
        return True

    def hear(self, waiting: int) -> list[tuple[Call, list[Told] | Lost]]:
        """See Crew."""
        heard: _Heard = self._ask(self._relay.hear.remote(waiting))
        for note in heard.notes:
            self._notify(note)
        if heard.error is not None:
            raise heard.error
        return [
            (self._calls[number], told if isinstance(told, Lost) else refuse_absent(told))
            for number, told in heard.told
        ]

    def close(self) -> None:
        """Dismiss the relay, and with it the workers that it owns; leave the cluster."""
        import ray

        if self._probe is not None:
            with suppress(OSError):
                self._probe.unlink(missing_ok=True)
        with suppress(Exception):  # whatever is wrong with the connection, this process is to end
            if self._relay is not None:
                ray.kill(self._relay)
        if self._is_ours:
            ray.shutdown()

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    def _ask(self, reference: Any) -> Any:
        import ray
        from ray.exceptions import RayActorError

        try:
            return ray.get(reference)
        except (RayActorError, ConnectionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise EngineError(f"the connection to the cluster is lost ({reason}); the same command goes on") from error
