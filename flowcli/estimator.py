"""The one class that callers use, whatever method is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import torch

from flowcli.flow import FlowField, Frame, check_pair
from flowcli.methods.classical import CLASSICAL
from flowcli.methods.network import NetworkFlow

Pair = tuple[Frame, Frame]


class FlowMethod(Protocol):
    """What every method offers."""

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Estimate the flow of pairs of one size, in order."""
        ...


class Estimator:
    """Estimates dense optical flow between frames.

    Args:
        model: "compact" (embedded), "perceiver-io" (after `flowcli weights pull`), a checkpoint file, or a classical
            method: "dis", "farneback", "zero".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32" or "bf16".
        memory: ceiling for the network's buffers, in GiB.
        batch: tiles per step of the network; None: as many as the memory holds.
        overlap: overlap of tiles in pixels; None: the model's own.
        threads: CPU threads; None: torch's choice. Set for the whole process.
        guess: "none", "dis" or "auto" (the model's own choice): the first guess of the coarse-to-fine estimate.
        polish: a variational refinement and sharper edges beside the network, for coarse-to-fine models; None: the
            model's own choice.
        preset: "fast", "balanced" (the default) or "best": how much work a coarse-to-fine model does.
        kernels: "auto" takes what `flowcli compile` made, on a CPU; "compiled" insists on it; "torch" does without.
            The same flow within rounding, so not among `settings`.

    Raises:
        WeightsError: if the checkpoint is absent, damaged or of another network.
        EngineError: if the device, the precision or the kernels are not to be had.
        InputError: if an option does not fit the model.
    """

    def __init__(
        self,
        model: str | Path = "compact",
        *,
        device: str = "auto",
        precision: str = "auto",
        memory: float | None = None,
        batch: int | None = None,
        overlap: int | None = None,
        threads: int | None = None,
        guess: str = "auto",
        polish: bool | None = None,
        preset: str | None = None,
        kernels: str = "auto",
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        # Values too small for normal arithmetic cost a hundred times more and mean nothing here.
        torch.set_flush_denormal(True)
        self._pairs_at_once = 1
        if str(model) in CLASSICAL:
            self._method: FlowMethod = CLASSICAL[str(model)]()
            self.settings: dict[str, object] = {"model": str(model)}
        else:
            network = NetworkFlow(
                model,
                device=device,
                precision=precision,
                memory=memory,
                batch=batch,
                overlap=overlap,
                guess=guess,
                polish=polish,
                preset=preset,
                kernels=kernels,
            )
            if network.device.type == "cuda":
                self._pairs_at_once = 4
            self._method, self.settings = network, network.settings

    def flow(self, frame1: Frame, frame2: Frame) -> FlowField:
        """Estimate the flow from frame 1 to frame 2.

        Args:
            frame1: uint8 `(H, W, 3)` RGB, any size from 1x1.
            frame2: the same size.

        Returns:
            `.uv` is float32 `(H, W, 2)`: u (right), v (down), in pixels of frame 1.

        Raises:
            InputError: on any other shape or dtype, or unequal sizes.
        """
        check_pair(frame1, frame2)
        return self._method.estimate([(frame1, frame2)])[0]

    def flows(self, pairs: Iterable[Pair], together: int = 1) -> Iterator[FlowField]:
        """Estimate a stream of pairs lazily: one field per pair, in order.

        Args:
            pairs: uint8 `(H, W, 3)` RGB frames.
            together: pairs that belong together, such as both directions of one: they share the network's batches.
                That many are taken from the stream before the first field comes.
        """
        for group in _equal_sizes(pairs, max(self._pairs_at_once, together)):
            yield from self._method.estimate(group)


def _equal_sizes(pairs: Iterable[Pair], most: int) -> Iterator[list[Pair]]:
    """Group neighbouring pairs of equal size, at most `most` together."""
    iterator = iter(pairs)
    while chunk := list(islice(iterator, most)):
        group: list[Pair] = []
        for frame1, frame2 in chunk:
            check_pair(frame1, frame2)
            if group and group[0][0].shape != frame1.shape:
                yield group
                group = []
            group.append((frame1, frame2))
        yield group


def estimate(frame1: Frame, frame2: Frame, model: str | Path = "compact") -> FlowField:
    """Estimate one pair with the default settings; an `Estimator` kept alive is faster for many.

    Args:
        frame1: uint8 `(H, W, 3)` RGB.
        frame2: the same size.
        model: as for `Estimator`.
    """
    return Estimator(model).flow(frame1, frame2)
