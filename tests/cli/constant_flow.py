"""A method with one answer for commands: real rows of METHODS, so that all but the network is what it always is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from flowcli.flow import FlowField, Pair
from flowcli.methods import METHODS
from flowcli.options import EstimatorOptions


class ConstantFlow:
    """The same (u, v) everywhere."""

    def __init__(self, model: str, uv: tuple[float, float]) -> None:
        self.settings = {"model": model}
        self.uv = uv

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        return [FlowField(np.full((*frame1.shape[:2], 2), self.uv, np.float32)) for frame1, _ in pairs]


class ConstantFlows:
    """Stands in METHODS for the methods of some models, "compact" among them; keeps what it was asked for.

    Attributes:
        built: the options of every method that was built.
        configured: the threads that this process was set up with, each time; it is not really set up.
    """

    def __init__(self, answers: dict[str, tuple[float, float]]) -> None:
        self.answers = answers
        self.built: list[EstimatorOptions] = []
        self.configured: list[int | None] = []

    def __call__(self, options: EstimatorOptions, checkpoint: None) -> ConstantFlow:
        self.built.append(options)
        return ConstantFlow(options.model, self.answers[options.model])

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built.clear()
        self.configured.clear()
        for model in self.answers:
            row = METHODS["coarse_to_fine" if model == "compact" else model]
            monkeypatch.setitem(METHODS, model, replace(row, builder=self, checkpoint=False))
        monkeypatch.setattr(
            "flowcli.runtime.process.configure_process", lambda threads, **_: self.configured.append(threads)
        )
