"""How the processors of a cluster are divided among workers: threads each, and how many fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowcli.errors import EngineError


@dataclass(frozen=True)
class Machine:
    """What a machine of the cluster offers: CPUs and GPUs."""

    cpus: float
    gpus: float = 0


@dataclass(frozen=True)
class Share:
    """So many workers of so many CPUs and such a part of a GPU each."""

    workers: int
    cpus: int
    gpus: float = 0


def divide(
    machines: Sequence[Machine], *, workers: int | None = None, gpus: float = 0, threads: int | None = None
) -> Share:
    """Divide the machines' processors.

    Args:
        machines: of the cluster.
        workers: how many; None: as many as there are CPUs, or as the GPUs hold.
        gpus: of a GPU per worker; 0 for none.
        threads: CPUs of a worker; None: as many as still leave room for all workers, at least 1.

    Raises:
        EngineError: not one worker fits.
    """
    if threads is not None:
        cpus = threads
    elif workers is not None:
        most = int(max((machine.cpus for machine in machines), default=1))
        cpus = next((cpus for cpus in range(most, 1, -1) if _count(machines, cpus, gpus) >= workers), 1)
    elif gpus:
        # The CPUs of a machine are for the workers that its GPUs hold.
        held = [(machine.cpus, int(machine.gpus / gpus + 1e-6)) for machine in machines]
        cpus = max(1, int(min((cpus / number for cpus, number in held if number), default=1)))
    else:
        cpus = 1
    fit = _count(machines, cpus, gpus)
    if not fit:
        needed = f"{cpus} CPU{'s' if cpus > 1 else ''}" + (f" and {gpus:g} GPU" if gpus else "")
        found = ", ".join(sorted({f"{one.cpus:g} CPUs and {one.gpus:g} GPUs" for one in machines})) or "no machine"
        raise EngineError(
            f"expected a machine with {needed} for a worker, found {found}; add machines with ray start --address, or "
            "give other --threads or --gpus-per-worker"
        )
    return Share(workers or fit, cpus, gpus)


def _count(machines: Sequence[Machine], cpus: int, gpus: float) -> int:
    # The small addition is for fractions such as 0.1, of which ten make one.
    return sum(
        int(min(machine.cpus / cpus, machine.gpus / gpus + 1e-6 if gpus else float("inf"))) for machine in machines
    )
