"""The process that runs one case: `python -m flowcli.benchmark.child CASE` prints the results as one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowcli.benchmark.cases import Case
from flowcli.benchmark.clock import finish, interleave, measure, peak_memory
from flowcli.benchmark.figures import ratios, spread
from flowcli.benchmark.flops import STAGES, count_folded, count_reference
from flowcli.benchmark.random_weights import make_random_network
from flowcli.benchmark.transformers_network import build_transformers_network
from flowcli.checkpoints import build_model, load_checkpoint, save_checkpoint
from flowcli.errors import FlowcliError, UsageError
from flowcli.flow import Frame
from flowcli.kernels.library import Library
from flowcli.kernels.stages import use_kernels
from flowcli.kernels.store import choose_kernels
from flowcli.methods import FlowMethod, build_method
from flowcli.methods.classical import DisFlow
from flowcli.methods.network import PlacedNetwork
from flowcli.model.config import COMPACT, PERCEIVER_IO, ModelConfig
from flowcli.model.folded import FoldedFlow, fold
from flowcli.model.perceiver import PerceiverFlow
from flowcli.options import EstimatorOptions
from flowcli.runtime.device import choose_device, choose_precision
from flowcli.runtime.process import configure_process

PRESETS = {"compact": COMPACT, "perceiver-io": PERCEIVER_IO}
Run = Callable[[], object]


def run(case: Case) -> dict[str, object]:
    """Run one case in this process; see `Case.task`."""
    configure_process(case.threads)
    with torch.inference_mode():
        return TASKS[case.task](case)


def run_tile(case: Case) -> dict[str, object]:
    """Time the stages of the folded network; all figures are per tile."""
    started = time.perf_counter()
    network, device, precision, kernels = _fold(case)
    loaded = time.perf_counter() - started
    # As many as it takes at once: latents of several small tiles make one matrix.
    tiles = network.tiles_at_once(device)
    frames = make_tiles(network.config, device, tiles)
    runs: dict[str, Run] = {"whole": lambda: network(*frames), **_split(network, *frames)}
    timings = {name: timing.per(tiles) for name, timing in interleave(runs, case.repeats, device).items()}
    counts = count_folded(network.config)
    stages = [{"stage": name, "gflop": counts[name] / 1e9, **timings[name].to_dict()} for name in STAGES]
    return {
        **_describe(case, network.config, device, precision, kernels),
        "tiles": tiles,
        **timings["whole"].to_dict(),
        "gflop": sum(counts.values()) / 1e9,
        "gflop_unfolded": sum(count_reference(network.config).values()) / 1e9,
        "load_seconds": loaded,
        "peak_gib": peak_memory(device) / 2**30,
        "stages": stages,
    }


def run_pair(case: Case) -> dict[str, object]:
    """Time a whole pair, numpy to numpy."""
    assert case.size is not None
    pair = [make_pair(case.size)]
    method, network = _make_method(case)
    timing = measure(lambda: method.estimate(pair), case.repeats, network.device)
    tiles = network.tiled.finished // (case.repeats + 1)
    megapixels = case.size[0] * case.size[1] / 1e6
    return {
        **_describe(case, network.config, network.device, network.precision, _name(network.kernels)),
        "size": list(case.size),
        "tiles": tiles,
        **timing.to_dict(),
        "gflop": tiles * sum(count_folded(network.config).values()) / 1e9,
        "seconds_per_megapixel": spread([seconds / megapixels for seconds in timing.wall]),
        "peak_gib": peak_memory(network.device) / 2**30,
    }


def run_comparison(case: Case) -> dict[str, object]:
    """Let the network and its rival take turns."""
    if case.rival == "dis":
        assert case.size is not None
        pair = [make_pair(case.size)]
        ours, network = _make_method(case)
        theirs, kernels = DisFlow(), _name(network.kernels)
        runs: dict[str, Run] = {"ours": lambda: ours.estimate(pair), "theirs": lambda: theirs.estimate(pair)}
        device, difference, tiles = network.device, None, None
    else:
        network, device, _, kernels = _fold(case)
        # A rival may need a GPU's whole memory for a tile.
        tiles = network.tiles_at_once(device) if device.type == "cpu" else 1
        tile = make_tiles(network.config, device, tiles)
        rival = _make_rival(case, device)
        runs = {"ours": lambda: network(*tile), "theirs": lambda: rival(*tile)}
        difference = (network(*tile) - rival(*tile)).abs()
    timings = interleave(runs, case.repeats, device)
    return {
        "model": case.model,
        "rival": case.rival,
        "kernels": kernels,
        "size": list(case.size) if case.size else None,
        "tiles": tiles,
        "ours": timings["ours"].to_dict(),
        "theirs": timings["theirs"].to_dict(),
        "ratio_seconds": ratios(timings["theirs"].wall, timings["ours"].wall),
        "ratio_cpu_seconds": ratios(timings["theirs"].cpu, timings["ours"].cpu),
        "largest_difference_px": None if difference is None else difference.max().item(),
        "mean_difference_px": None if difference is None else difference.mean().item(),
    }


def run_rival(case: Case) -> dict[str, object]:
    """Run the rival once, for its memory."""
    device = choose_device(case.device)
    if case.rival == "dis":
        assert case.size is not None
        DisFlow().estimate([make_pair(case.size)])
    else:
        config = load_checkpoint(case.model).config
        _make_rival(case, device)(*make_tiles(config, device, 1))
    finish(device)
    return {"rival": case.rival, "peak_gib": peak_memory(device) / 2**30}


def write_random(case: Case) -> dict[str, object]:
    """Write random weights of a preset."""
    assert case.path is not None
    config = PRESETS[case.model]
    save_checkpoint(Path(case.path), config, make_random_network(config).state_dict(), {"training": "none: random"})
    return {"path": case.path}


def write_frames(case: Case) -> dict[str, object]:
    """Write images of a pattern that moves on by as much every time as in `make_pair`."""
    import cv2

    assert case.path is not None and case.size is not None
    folder = Path(case.path)
    folder.mkdir(parents=True, exist_ok=True)
    frame, _ = make_pair(case.size)
    for index in range(case.repeats):
        path = folder / f"{index:03d}.png"
        cv2.imwrite(str(path), np.roll(frame, (index, 3 * index), axis=(0, 1)), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return {"path": case.path}


TASKS: dict[str, Callable[[Case], dict[str, object]]] = {
    "tile": run_tile,
    "pair": run_pair,
    "compare": run_comparison,
    "rival": run_rival,
    "random": write_random,
    "frames": write_frames,
}


def make_tiles(config: ModelConfig, device: torch.device, count: int) -> tuple[Tensor, Tensor]:
    """Return tiles of noise as both frames, `(count, 3, H, W)` in [-1, 1]."""
    frame1, frame2 = torch.rand(2, count, 3, *config.tile, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return frame1.to(device), frame2.to(device)


def make_pair(size: tuple[int, int]) -> tuple[Frame, Frame]:
    """Return two frames of smooth noise, the second moved 3 px right and 1 px down."""
    import cv2

    coarse = np.random.default_rng(0).integers(0, 256, (size[0] // 8 + 2, size[1] // 8 + 2, 3), np.uint8)
    frame = np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    return frame, np.roll(frame, (1, 3), axis=(0, 1))


def _fold(case: Case) -> tuple[FoldedFlow, torch.device, str, str]:
    """Return the network, its device, its precision and what runs its attentions."""
    device = choose_device(case.device)
    precision = choose_precision(case.precision, device)
    operands = torch.bfloat16 if precision == "bf16" else torch.float32
    kernels = choose_kernels(case.kernels, operands, device)
    network = fold(build_model(load_checkpoint(case.model)).to(device), operands)
    if kernels is not None:
        use_kernels(network, kernels)
    return network, device, precision, _name(kernels)


def _make_rival(case: Case, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    network: PerceiverFlow = build_model(load_checkpoint(case.model)).to(device)
    return network if case.rival == "reference" else build_transformers_network(network)


def _make_method(case: Case) -> tuple[FlowMethod, PlacedNetwork]:
    """Return the method and its network."""
    options = EstimatorOptions(
        case.model,
        device=case.device,
        precision=case.precision,
        memory=case.memory,
        preset=case.preset,
        kernels=case.kernels,
    )
    method = build_method(options)
    network = getattr(method, "network", None)
    if not isinstance(network, PlacedNetwork):
        raise UsageError(f"expected a model with a network, got {case.model}")
    return method, network


def _split(network: FoldedFlow, frame1: Tensor, frame2: Tensor) -> dict[str, Run]:
    """Return the stages, each with the earlier ones' results at hand."""
    chunk = network.scores_at_once(frame1.device)
    pixels = network.pixels(frame1, frame2, chunk)
    encoded = network.encoder_mlp(network.encoder(pixels, chunk))
    latents = network.process(encoded)
    return {
        "pixels": lambda: network.pixels(frame1, frame2, chunk),
        "encoder": lambda: network.encoder_mlp(network.encoder(pixels, chunk)),
        "latents": lambda: network.process(encoded),
        "decoder": lambda: network.decoder(pixels, latents, chunk),
    }


def _name(kernels: Library | None) -> str:
    return kernels.level if kernels else "torch"


def _describe(case: Case, config: ModelConfig, device: torch.device, precision: str, kernels: str) -> dict[str, object]:
    return {
        "model": case.model,
        "task": case.task,
        "size": list(config.tile),
        "device": str(device),
        "precision": precision,
        "kernels": kernels,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Run the case of the command line; a FlowcliError becomes one line on stderr."""
    try:
        print(json.dumps(run(Case.from_json(sys.argv[1])), allow_nan=False))
    except FlowcliError as error:
        sys.exit(f"flowcli: {error}")


if __name__ == "__main__":
    main()
