"""Frame pair -> FlowField: tensors inside, numpy outside. Names resolve on first use, as torch is slow to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowcli.estimator.facade import Estimator

__all__ = ["Estimator"]


def __getattr__(name: str) -> object:
    if name == "Estimator":
        from flowcli.estimator.facade import Estimator

        return Estimator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
