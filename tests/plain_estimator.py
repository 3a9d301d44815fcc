"""Estimators for worker processes of tests: importable by name, picklable, and quick to build because without torch."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowcli.errors import EngineError
from flowcli.flow import FlowField


def misbehave(deed):
    """Raise, or die."""
    if deed == "fault":
        raise EngineError("no memory left")
    if deed == "bug":
        raise ZeroDivisionError("a bug")
    if deed == "exit":
        raise SystemExit(3)
    if deed == "death":
        os.kill(os.getpid(), signal.SIGKILL)


class PlainEstimator:
    """Flow (mean of frame 1, mean of frame 2) everywhere, unless its options say otherwise."""

    def __init__(self, options=None):
        self.settings = {"model": "plain"}
        self._options, self._done = options or PlainOptions(), 0

    def flows(self, pairs, together=1):
        options = self._options
        for frame1, frame2 in pairs:
            if self._done >= options.after and not (options.mark and Path(options.mark).exists()):
                if options.mark:
                    Path(options.mark).touch()
                misbehave(options.misdeed)
            self._done += 1
            yield FlowField(np.full((*frame1.shape[:2], 2), (frame1.mean() / 9, frame2.mean() / 9), np.float32))


@dataclass(frozen=True)
class PlainOptions:
    """Takes the place of EstimatorOptions.

    Attributes:
        misdeed: what to do instead of the next pair.
        after: so many pairs.
        mark: a file that is made before it, and without which it happens again and again.
    """

    misdeed: str = ""
    after: int = 0
    mark: str = ""

    def build(self, threads=None):
        if self.misdeed == "weights":
            raise EngineError("no such device")
        if self.misdeed.endswith(" at the beginning"):
            misbehave(self.misdeed.split()[0])
        return PlainEstimator(self)
