"""A method for worker processes of tests: found by its row of METHODS, quick to build, and as bad as its options say.

Unpickling PlainOptions in a process imports this module, and that adds the row.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowcli.deferred import Deferred
from flowcli.errors import EngineError
from flowcli.flow import FlowField
from flowcli.methods import METHODS, Method
from flowcli.options import EstimatorOptions


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


@dataclass(frozen=True)
class PlainOptions(EstimatorOptions):
    """Options of PlainMethod.

    Attributes:
        misdeed: what to do instead of the next pair; "tell threads" answers with the method's threads and the process's
            as the flow, "death of black" is one at black frames alone.
        after: so many pairs.
        mark: a file that is made before it, and without which it happens again and again.
    """

    model: str = "plain"
    misdeed: str = ""
    after: int = 0
    mark: str = ""


class PlainMethod:
    """Flow (mean of frame 1, mean of frame 2) everywhere, unless its options say otherwise."""

    def __init__(self, options=None):
        self.settings = {"model": "plain"}
        self._options, self._done = options or PlainOptions(), 0

    def estimate(self, pairs):
        return [self._flow(*pair) for pair in pairs]

    def _flow(self, frame1, frame2):
        options = self._options
        if self._done >= options.after and not (options.mark and Path(options.mark).exists()):
            if options.mark:
                Path(options.mark).touch()
            misbehave("death" if options.misdeed == "death of black" and frame1.max() < 16 else options.misdeed)
        self._done += 1
        uv = (frame1.mean() / 9, frame2.mean() / 9)
        if options.misdeed == "tell threads":
            import torch

            uv = (options.threads, torch.get_num_threads())
        return FlowField(np.full((*frame1.shape[:2], 2), uv, np.float32))


def build(options, checkpoint):
    """Build the method, or fail at it."""
    assert checkpoint is None
    if not isinstance(options, PlainOptions):
        return PlainMethod()
    if options.misdeed == "weights":
        raise EngineError("no such device")
    if options.misdeed.endswith(" at the beginning"):
        misbehave(options.misdeed.split()[0])
    return PlainMethod(options)


METHODS["plain"] = Method(
    "for tests", Deferred(f"{__name__}:build"), frozenset({"threads", "misdeed", "after", "mark"})
)
