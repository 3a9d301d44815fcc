"""The coarse-to-fine method, with a network of residuals or without any: frames and options in, flow fields out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from flowcli.checkpoints import Checkpoint, load_checkpoint
from flowcli.checkpoints.checkpoint import build_coarse, make_untrained
from flowcli.checkpoints.manifest import COARSE
from flowcli.coarse_to_fine.config import DEFAULT_PRESET, PRESETS, Config
from flowcli.coarse_to_fine.initialise import Start
from flowcli.coarse_to_fine.pipeline import estimate_flow
from flowcli.flow import FlowField, Pair
from flowcli.methods.classical import DIS_LONGEST_SIDE
from flowcli.methods.footprint import of_coarse_to_fine
from flowcli.methods.initial_flow import estimate_initial_flow
from flowcli.methods.network import PlacedNetwork, place_network
from flowcli.model.config import COARSE as COARSE_CONFIG
from flowcli.model.config import COMPACT
from flowcli.model.features import flow_to_numpy, stack_frames
from flowcli.options import EstimatorOptions
from flowcli.runtime.ceiling import Footprint
from flowcli.runtime.threads import Workers, count_threads

DEFAULT_INITIAL_FLOW = "dis"
"""Unless told otherwise; the figures behind it are in weights/README.md."""


class CoarseToFineMethod:
    """Estimates level by level; see `flowcli.coarse_to_fine.pipeline`.

    Args:
        config: what happens at which level.
        network: of residuals; None: variational refinement alone.
        initial_flow: "dis" or "none".
        workers: threads where there is no network that brings its own.
        settings: what determines the flow beside the network's own, plain JSON values.
        start: the coarse network and its kernels; None: the match alone, by torch.

    Attributes:
        settings: all of it.
        pairs_at_once: how many pairs fill the device.
    """

    def __init__(
        self,
        config: Config,
        network: PlacedNetwork | None,
        initial_flow: str,
        workers: Workers,
        settings: dict[str, object],
        start: Start | None = None,
    ) -> None:
        self.start = start or Start()
        self.config, self.network, self.initial_flow, self.workers = config, network, initial_flow, workers
        self.device = torch.device("cpu") if network is None else network.device
        self.pairs_at_once = 1 if network is None else network.pairs_at_once
        self.settings = ({} if network is None else network.settings) | settings

    def estimate(self, pairs: Sequence[Pair]) -> list[FlowField]:
        """Estimate the flow of pairs; see FlowMethod."""
        return self._fields(pairs, both=False)[0]

    def estimate_both(self, pairs: Sequence[Pair]) -> list[tuple[FlowField, FlowField]]:
        """Estimate forward and backward flow: what `estimate` gives for the pairs and for the exchanged pairs."""
        return list(zip(*self._fields(pairs, both=True), strict=True))

    def footprint(self, size: tuple[int, int], both: bool) -> Footprint | None:
        """Return the memory that a pair takes on a CPU; see FlowMethod."""
        if self.device.type != "cpu":
            return None
        network = 0 if self.network is None else self.network.bytes_per_worker
        return of_coarse_to_fine(size, both, self.config, self._has_initial(size), self.workers.count, network)

    def limit_workers(self, most: int | None) -> None:
        """Let at most so many threads work at the same time; None: all."""
        self.workers.limit(most)

    def close(self) -> None:
        """End the threads."""
        self.workers.close()

    def _has_initial(self, size: tuple[int, int]) -> bool:
        return self.initial_flow != "none" and max(size) <= DIS_LONGEST_SIDE

    def _fields(self, pairs: Sequence[Pair], both: bool) -> list[list[FlowField]]:
        frame1, frame2 = (stack_frames(frames, self.device) for frames in zip(*pairs, strict=True))
        wanted = self._has_initial((frame1.shape[2], frame1.shape[3]))
        initial = partial(estimate_initial_flow, pairs, self.device) if wanted else None
        residual = None if self.network is None else self.network.tiled
        flows: list[Tensor] = estimate_flow(
            frame1, frame2, self.config, residual, initial, self.workers, both, self.start
        )
        return [[FlowField(uv) for uv in flow_to_numpy(flow)] for flow in flows]


def build(
    options: EstimatorOptions, checkpoint: Checkpoint | None, coarse: Checkpoint | None = None
) -> CoarseToFineMethod:
    """Build the method, without networks if there is no checkpoint; see `flowcli.methods.build_method`.

    `coarse` is the coarse network; None: the embedded one.
    """
    preset = options.preset or DEFAULT_PRESET
    config = replace(PRESETS[preset], variational=options.refine is not False)
    initial_flow = DEFAULT_INITIAL_FLOW if options.initial_flow == "auto" else options.initial_flow
    settings: dict[str, object] = {"initial_flow": initial_flow, "refine": config.variational, "preset": preset}
    if checkpoint is None:
        workers = Workers(count_threads(options.threads))
        return CoarseToFineMethod(config, None, initial_flow, workers, {"model": options.model} | settings)
    network = place_network(checkpoint, options, overlap=config.overlap, grid="even", capped=True)
    coarse = load_checkpoint(COARSE) if coarse is None else coarse
    start = Start(build_coarse(coarse).to(network.device), network.kernels)
    settings["coarse_weights"] = coarse.sha256
    return CoarseToFineMethod(config, network, initial_flow, network.workers, settings, start)


def build_untrained(options: EstimatorOptions, checkpoint: None) -> CoarseToFineMethod:
    """Build the method with networks that have learned nothing, to see what training brings."""
    return build(options, make_untrained(COMPACT), make_untrained(COARSE_CONFIG))
