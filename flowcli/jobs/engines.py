"""Who does the jobs of a batch: this process, several on this machine, or workers in a Ray cluster.

An engine is a function from jobs to what becomes of them; it comes with the settings that its estimators have, which
the journal needs before there is any job.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from flowcli.errors import UsageError
from flowcli.jobs.batch import Engine
from flowcli.options import EstimatorOptions

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class EngineChoice:
    """What the user asks for.

    Attributes:
        name: of ENGINES.
        jobs: processes on this machine.
        address: of a Ray cluster; see `flowcli.jobs.ray_crew.Cluster`.
        workers: in it.
        gpus: of a GPU per worker in it.

    Raises:
        UsageError: options that do not go together.
        EngineError: Ray is not installed.
    """

    name: str = "local"
    jobs: int = 1
    address: str | None = None
    workers: int | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        if self.name == "ray":
            from flowcli.jobs.ray_cluster import check_ray

            if self.jobs != 1:
                raise UsageError(f"expected no --jobs with --engine ray, got --jobs {self.jobs}; use --workers")
            check_ray()
            return
        given = {"--address": self.address, "--workers": self.workers, "--gpus-per-worker": self.gpus}
        if names := [name for name, value in given.items() if value is not None]:
            raise UsageError(f"{', '.join(names)}: only for --engine ray; for processes on this machine use --jobs")


@contextmanager
def open_engine(
    choice: EngineChoice, options: EstimatorOptions, notify: Callable[[str], None] = lambda _: None
) -> Generator[tuple[Engine, dict[str, object]], None, None]:
    """Yield an engine and `Estimator.settings`; what it started ends with the block.

    Args:
        choice: which.
        options: of its estimators.
        notify: is told in one line what the user should know.

    Raises:
        FlowcliError: no estimator can be built.
        EngineError: no worker can be had.
    """
    if choice.name == "ray":
        from flowcli.jobs.crew import run_in_crew
        from flowcli.jobs.ray_cluster import Cluster
        from flowcli.jobs.ray_crew import RayCrew
        from flowcli.jobs.ray_relay import RelayedCrew

        cluster = Cluster(choice.address, choice.workers, choice.gpus)
        with (RelayedCrew if cluster.is_remote else RayCrew)(options, cluster, notify) as crew:
            yield partial(run_in_crew, crew=crew), crew.settings
        return
    from flowcli.estimator import Estimator
    from flowcli.jobs.local import run_here
    from flowcli.jobs.pool import run_in_processes
    from flowcli.runtime.process import configure_process, keep_what_is_loaded

    with keep_what_is_loaded() if choice.jobs == 1 else nullcontext():
        configure_process(options.threads, spare=options.memory is not None)
        estimator = Estimator(options)
    settings = estimator.settings
    if choice.jobs == 1:
        with estimator:
            yield partial(run_here, estimator=estimator), settings
        return
    # The workers build their own; this one has told its settings.
    del estimator
    yield partial(run_in_processes, options=options, number=choice.jobs), settings
