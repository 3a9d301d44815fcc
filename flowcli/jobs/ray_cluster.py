"""A Ray cluster from outside: how to find one, what it offers, and what it says of deaths."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import socket
from dataclasses import dataclass

from flowcli.errors import EngineError
from flowcli.jobs.share import Machine


@dataclass(frozen=True)
class Cluster:
    """Where the workers are to be.

    Attributes:
        address: of the cluster: "auto", "local", HOST:PORT, ray://HOST:PORT; None: as Ray finds it
            (RAY_ADDRESS, one that runs on this machine, or one of its own).
        workers: how many; None: as many as fit.
        gpus: of a GPU per worker; None: 1 if the cluster has any, and the estimator may use one.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float | None = None

    @property
    def is_remote(self) -> bool:
        """Whether this process is a client of the cluster, and no part of it."""
        return (self.address or os.environ.get("RAY_ADDRESS", "")).startswith("ray://")


def check_ray() -> None:
    """Raise EngineError if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise EngineError("--engine ray: expected Ray, which is not installed; run: pip install 'flowcli[ray]'")


def connect(address: str | None) -> bool:
    """Connect this process to a cluster; return whether it was not connected before."""
    # Nothing about the work is anybody else's business.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return False
    _check_reachable(address or os.environ.get("RAY_ADDRESS", ""))
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except (ConnectionError, RuntimeError, ValueError, AssertionError, ImportError) as error:
        text = " ".join(str(error).split())
        raise EngineError(
            f"{address or 'ray'}: expected a Ray cluster, found none that can be used ({text}); start one with: "
            "ray start --head"
        ) from error
    return True


def _check_reachable(address: str) -> None:
    # Ray itself would try for minutes.
    parsed = re.fullmatch(r"(?:ray://)?(\[.+\]|[^:/]+):(\d+)", address)
    if parsed is None:
        return
    try:
        socket.create_connection((parsed[1].strip("[]"), int(parsed[2])), 10).close()
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"{address}: expected a Ray cluster, nobody answers ({error}); start one with: ray start --head"
        ) from error


def list_machines() -> list[Machine]:
    """Return what the machines of the cluster offer that are alive."""
    import ray

    offers = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Machine(offer.get("CPU", 0), offer.get("GPU", 0)) for offer in offers]


def is_alive(node: str) -> bool:
    """Return whether a machine, by Ray's name for it, is in the cluster."""
    import ray

    return any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())


def describe_death(error: Exception) -> str:
    """Return in a few words what ended a worker."""
    text = str(error)
    if "memory" in text.lower():
        return "killed for lack of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\t")]
    return lines[-1][:200] if lines else type(error).__name__
