"""The one class that callers use, whatever method is behind it. Without torch until a method needs it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import EngineError, InputError
from flowcli.flow import FlowField, Frame, Pair, check_pair
from flowcli.frames import FrameLike, as_frames
from flowcli.methods import FlowMethod, build_method
from flowcli.options import EstimatorOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from flowcli.options import OptionValues
    from flowcli.runtime.ceiling import Footprint


@dataclass(frozen=True)
class BidirectionalFlow:
    """Flow of a pair both ways, and what the comparison of the two says.

    Attributes:
        forward: from frame 1 to frame 2, on the grid of frame 1.
        backward: from frame 2 to frame 1, on the grid of frame 2.
    """

    forward: FlowField
    backward: FlowField

    @cached_property
    def occluded(self) -> NDArray[np.bool_]:
        """Bool `(H, W)` on the grid of frame 1: where frame 2 does not show the content; see `find_occlusion`."""
        from flowcli.coarse_to_fine.consistency import find_occlusion

        return find_occlusion(self.forward, self.backward)

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """Float32 `(H, W)` in [0, 1] on the grid of frame 1: how well the two agree; see `find_confidence`."""
        from flowcli.coarse_to_fine.consistency import find_confidence

        return find_confidence(self.forward, self.backward)


class Estimator(AbstractContextManager["Estimator"]):
    """Estimates dense optical flow between frames.

    Building one changes nothing of the process; `flowcli.configure_process` does, as the command line calls it. It can
    be pickled if it was built from options, and is then built anew from them. After `fork` a copy refuses to work: the
    threads stayed behind.

    Args:
        model: "compact" (embedded weights), "perceiver-io" (after `flowcli weights pull`), a checkpoint file, a name
            of METHODS ("variational", "dis", "farneback", "zero"), EstimatorOptions, or any object with
            `estimate(pairs)`; see FlowMethod.
        values: fields of EstimatorOptions.

    Raises:
        UsageError: an option that the method does not have, or a value that does not fit it.
        WeightsError: the checkpoint is absent, damaged or of another network.
        EngineError: the device, the precision or the kernels are not to be had.
    """

    def __init__(
        self, model: str | Path | EstimatorOptions | FlowMethod = "compact", **values: Unpack[OptionValues]
    ) -> None:
        self.options: EstimatorOptions | None = None
        if isinstance(model, str | Path):
            self.options = EstimatorOptions(str(model), **values)
        elif isinstance(model, EstimatorOptions):
            self.options = model
        if values and not isinstance(model, str | Path):
            raise InputError(f"expected options only with the name of a model, got {', '.join(values)} as well")
        method = model if self.options is None else build_method(self.options)
        if not isinstance(method, FlowMethod):
            raise InputError(
                f"expected the name of a model, a path, EstimatorOptions or an object with estimate(pairs), "
                f"got {type(model).__qualname__}"
            )
        self.method: FlowMethod = method
        self._process = os.getpid()

    @property
    def settings(self) -> dict[str, object]:
        """Everything that determines the flow, as plain JSON values."""
        return dict(getattr(self.method, "settings", {"model": type(self.method).__qualname__}))

    def flow(self, frame1: FrameLike, frame2: FrameLike) -> FlowField:
        """Estimate the flow from frame 1 to frame 2.

        Args:
            frame1: uint8 `(H, W, 3)` RGB, or anything else that `flowcli.as_frame` takes; any size from 1x1.
            frame2: the same size.

        Returns:
            `.uv` is float32 `(H, W, 2)`: u (right), v (down), in pixels of frame 1.

        Raises:
            InputError: no pictures, or unequal sizes.
        """
        return next(self.flows([(frame1, frame2)]))

    def flows(self, pairs: Iterable[tuple[FrameLike, FrameLike]]) -> Iterator[FlowField]:
        """Estimate a stream of pairs lazily: one field per pair, in order; sizes may change on the way."""
        for group in self._groups(pairs):
            yield from self.method.estimate(group)

    def flow_both(self, frame1: FrameLike, frame2: FrameLike) -> BidirectionalFlow:
        """Estimate the flow both ways; each is what `flow` gives, at less cost than two calls. See `flow`."""
        return next(self.flows_both([(frame1, frame2)]))

    def flows_both(self, pairs: Iterable[tuple[FrameLike, FrameLike]]) -> Iterator[BidirectionalFlow]:
        """Estimate a stream of pairs both ways, lazily, in order."""
        together = getattr(self.method, "estimate_both", None)
        for group in self._groups(pairs):
            if together is not None:
                fields = together(group)
            else:
                count = len(group)
                flat = self.method.estimate([*group, *((frame2, frame1) for frame1, frame2 in group)])
                fields = zip(flat[:count], flat[count:], strict=True)
            for forward, backward in fields:
                yield BidirectionalFlow(forward, backward)

    def footprint(self, size: tuple[int, int], *, both: bool) -> Footprint | None:
        """Return the memory that the method takes for a pair of a size; None if it does not say, as on a GPU."""
        footprint = getattr(self.method, "footprint", None)
        return None if footprint is None else footprint(size, both)

    def limit_workers(self, most: int | None) -> None:
        """Let at most so many threads work at the same time, None: all; the flow is the same to the bit."""
        if (limit := getattr(self.method, "limit_workers", None)) is not None:
            limit(most)

    def close(self) -> None:
        """End the method's threads; the next estimate starts them again."""
        if (close := getattr(self.method, "close", None)) is not None:
            close()

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by options, or with the method that was given."""
        return type(self), (self.method if self.options is None else self.options,)

    def _groups(self, pairs: Iterable[tuple[FrameLike, FrameLike]]) -> Iterator[list[Pair]]:
        """Group neighbouring pairs of equal size, at most as many as the method likes together."""
        frames = (_as_pair(*pair) for pair in pairs)
        while True:
            if os.getpid() != self._process:
                raise EngineError(
                    "expected an Estimator of this process, got one from before a fork, without its threads; build it "
                    "in the child, or start processes with multiprocessing's method 'spawn'"
                )
            if not (chunk := list(islice(frames, getattr(self.method, "pairs_at_once", 1)))):
                return
            group: list[Pair] = []
            for pair in chunk:
                if group and group[0][0].shape != pair[0].shape:
                    yield group
                    group = []
                group.append(pair)
            yield group


def _as_pair(frame1: FrameLike, frame2: FrameLike) -> tuple[Frame, Frame]:
    pair = as_frames([frame1, frame2], ["frame 1", "frame 2"])
    check_pair(*pair)
    return pair[0], pair[1]


def estimate(frame1: FrameLike, frame2: FrameLike, model: str | Path = "compact") -> FlowField:
    """Estimate one pair with the default settings; an `Estimator` kept alive is faster for many.

    Args:
        frame1: uint8 `(H, W, 3)` RGB, or anything else that `flowcli.as_frame` takes.
        frame2: the same size.
        model: as for `Estimator`.
    """
    return Estimator(model).flow(frame1, frame2)
