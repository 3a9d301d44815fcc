"""Write what test_golden.py compares with; run it when a change is meant to change flow, and say so in the commit.

PYTHONPATH=tests python tests/golden/golden_store.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from golden_scenes import SCENES

import flowcli

FOLDER = Path(__file__).parent
ERRORS = FOLDER / "errors.json"
PRESETS = ("fast", "balanced", "best")
TILE = (48, 64)


def measure(scene, flow):
    """Endpoint errors in pixels: of all pixels, and of those that frame 2 shows."""
    error = np.linalg.norm(flow.uv - scene.flow, axis=2)
    return float(error.mean()), float(error[scene.visible].mean())


def measure_all(preset):
    """{scene: (all, visible)} with the embedded network."""
    estimator = flowcli.Estimator(preset=preset, device="cpu", precision="fp32", kernels="torch")
    return {name: measure(scene, estimator.flow(scene.frame1, scene.frame2)) for name, scene in made().items()}


def made():
    """Every scene by name."""
    return {name: make() for name, make in SCENES.items()}


def answer(network):
    """What a network answers for one 48x64 pair, float32 `(48, 64, 2)`: half a pixel of motion over the first scene."""
    import torch

    from flowcli.model.features import flow_to_numpy, normalise, stack_frames

    scene = SCENES["large motion"]()
    frame = scene.frame1[40:89, 60:125].astype(np.float32)
    moved = (frame[:-1, :-1] + frame[:-1, 1:]) / 2  # half a pixel to the left
    frames = (np.rint(f).astype(np.uint8) for f in (frame[:-1, :-1], moved))
    with torch.inference_mode():
        return flow_to_numpy(network(*(normalise(stack_frames([f], torch.device("cpu"))) for f in frames)))[0]


def networks():
    """{name: network of 48x64 tiles}: what ships, and the published shape with seeded random weights."""
    from flowcli.checkpoints import build_model, load_checkpoint
    from flowcli.model.folded import fold

    return {"compact": fold(build_model(load_checkpoint("compact"))), "published": fold(make_published())}


def make_published():
    """The published architecture on a 48x64 tile, narrow, with seeded random weights."""
    import torch

    from flowcli.model.config import ModelConfig
    from flowcli.model.perceiver import PerceiverFlow

    config = ModelConfig(
        TILE, features=16, position_bands=8, latents=32, latent_width=32, layers=2, heads=4, flow_scale=0.2
    )
    network = PerceiverFlow(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


if __name__ == "__main__":
    ERRORS.write_text(json.dumps({preset: measure_all(preset) for preset in PRESETS}, indent=1) + "\n")
    for name, network in networks().items():
        np.save(FOLDER / f"{name}.npy", answer(network).astype(np.float32))
    print(ERRORS.read_text())
