"""What a report is made with: the device, how large its work is, and what this machine lacks."""

from __future__ import annotations

import importlib.util
import platform
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from device_forms import forms_of_a_gpu

from flowcli.benchmark.clock import interleave
from flowcli.benchmark.random_weights import make_random_network
from flowcli.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from flowcli.errors import WeightsError
from flowcli.model.config import PERCEIVER_IO, ModelConfig
from flowcli.runtime.device import has_bf16

Row = dict[str, object]
"""One line of a table; "holds", where it is there, says whether a figure is what it has to be."""

SMALL = replace(PERCEIVER_IO, tile=(24, 32), latents=24, latent_width=32, layers=2, heads=4)
"""A network of the published kind for a dry run."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Setup:
    """One report.

    Attributes:
        device: what is measured.
        small: a dry run: the least of everything.
        repeats: timed runs of each kind.
        folder: for weights and videos.
    """

    device: torch.device
    small: bool
    repeats: int
    folder: Path

    @property
    def sizes(self) -> tuple[Size, ...]:
        """(height, width) of whole pairs: Sintel's and Full HD."""
        return ((64, 96),) if self.small else ((436, 1024), (1080, 1920))

    @property
    def clip(self) -> tuple[int, Size]:
        """Frames of the video and their size."""
        return (5, (64, 96)) if self.small else (48, (1080, 1920))

    @property
    def precisions(self) -> tuple[str, ...]:
        """Arithmetic of the networks."""
        return ("fp32", "bf16") if has_bf16(self.device) or self.small else ("fp32",)

    @property
    def backend(self) -> str | None:
        """Of `torch.compile`; None where there is no compiler for the device. A dry run only traces."""
        if self.small:
            return "eager"
        return "inductor" if self.device.type != "cuda" or importlib.util.find_spec("triton") else None

    @property
    def has_graphs(self) -> bool:
        """Whether the device has CUDA graphs."""
        return self.device.type == "cuda"

    def forms(self) -> AbstractContextManager[None]:
        """Inside, steps on the device take the forms of a GPU, also where it is the CPU."""
        return forms_of_a_gpu() if self.device.type == "cpu" else nullcontext()

    @cached_property
    def networks(self) -> dict[str, tuple[Checkpoint, str]]:
        """The embedded network and the published one: what they hold, and "own" or "random"."""
        networks = {"compact": (load_checkpoint("compact"), "own")}
        if not self.small:
            try:
                return networks | {"perceiver-io": (load_checkpoint("perceiver-io"), "own")}
            except WeightsError:
                pass
        config: ModelConfig = SMALL if self.small else PERCEIVER_IO
        path = self.folder / "perceiver-io.safetensors"
        save_checkpoint(path, config, make_random_network(config).state_dict(), {"training": "none: random"})
        return networks | {"perceiver-io": (load_checkpoint(path), "random")}

    @cached_property
    def rates(self) -> dict[str, float]:
        """FLOP/s of a large matrix product of each precision, the best of some runs."""
        side = 256 if self.small else 8192
        rates: dict[str, float] = {}
        for name in self.precisions:
            dtype = torch.bfloat16 if name == "bf16" else torch.float32
            left, right = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
            timing = interleave({"": lambda left=left, right=right: left @ right}, max(3, self.repeats), self.device)
            rates[name] = 2 * side**3 / min(timing[""].wall)
        return rates


def describe_machine(setup: Setup) -> list[Row]:
    """Name the machine, and the rate of its matrix products, TF32 not allowed."""
    name = platform.processor() or platform.machine()
    memory: object = None
    if setup.device.type == "cuda":
        properties = torch.cuda.get_device_properties(setup.device)
        name, memory = properties.name, round(properties.total_memory / 2**30, 1)
    rates: Row = {f"{precision} TFLOP/s": rate / 1e12 for precision, rate in setup.rates.items()}
    return [{"device": name, "GiB": memory, "torch": torch.__version__, "cuda": torch.version.cuda, **rates}]


def find_lacks(setup: Setup) -> list[str]:
    """Return a line for everything that this machine has not, and what follows from it."""
    lacks: list[str] = []
    if setup.device.type != "cuda":
        lacks.append(f"no CUDA device is used but {setup.device}: no CUDA graphs, no memory of the device")
    if "bf16" not in setup.precisions:
        lacks.append("the device has no bfloat16: fp32 alone")
    if setup.backend is None:
        lacks.append("no triton: nothing is compiled by torch.compile")
    if importlib.util.find_spec("transformers") is None:
        lacks.append("no transformers (pip install transformers): it is not compared with")
    if setup.networks["perceiver-io"][1] == "random":
        lacks.append("no published weights of perceiver-io (flowcli weights pull perceiver-io): random ones instead")
    if setup.small:
        lacks.append("a dry run: sizes of a test, figures mean nothing")
    return lacks


def make_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes when the report is done."""
    return tempfile.TemporaryDirectory(prefix="flowcli-gpu-")
