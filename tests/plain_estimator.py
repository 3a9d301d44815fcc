"""Estimators for worker processes of tests: importable by name, picklable, and quick to build because without torch."""

import os
import signal
from dataclasses import dataclass

import numpy as np

from flowcli.errors import EngineError
from flowcli.flow import FlowField


class PlainEstimator:
    """Flow (mean of frame 1, mean of frame 2) everywhere."""

    def __init__(self, misdeed=""):
        self.settings = {"model": "plain"}
        self._misdeed = misdeed

    def flows(self, pairs, together=1):
        for frame1, frame2 in pairs:
            if self._misdeed == "fault":
                raise EngineError("no memory left")
            if self._misdeed == "bug":
                raise ZeroDivisionError("a bug")
            if self._misdeed == "death":
                os.kill(os.getpid(), signal.SIGKILL)
            yield FlowField(np.full((*frame1.shape[:2], 2), (frame1.mean() / 9, frame2.mean() / 9), np.float32))


@dataclass(frozen=True)
class PlainOptions:
    """Takes the place of EstimatorOptions."""

    misdeed: str = ""

    def build(self, threads=None):
        if self.misdeed == "weights":
            raise EngineError("no such device")
        return PlainEstimator(self.misdeed)
