"""Print what the bits of frames are worth: errors on the golden scenes from frames of 8 down to 4 bits.

    python tests/frame_bits.py

If 7 bits were much worse than 8, a ninth would help. They are not, so frames have 8: flowcli/io/image/range.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent / "golden"))

import golden_scenes

from flowcli.estimator import Estimator


def with_bits(frame: np.ndarray, bits: int) -> np.ndarray:
    """uint8 frame -> the middle of one of 2^bits bins."""
    step = 256 / 2**bits
    return (np.floor(frame / step) * step + (step - 1) / 2).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    scenes = [make() for make in golden_scenes.SCENES.values()]
    for model, options in (("compact", {"preset": "fast"}), ("dis", {})):
        estimator = Estimator(model, **options)
        for bits in (8, 7, 6, 5, 4):
            errors = []
            for scene in scenes:
                flow = estimator.flow(*(with_bits(frame, bits) for frame in (scene.frame1, scene.frame2)))
                errors.append(np.linalg.norm(flow.uv - scene.flow, axis=-1)[scene.visible].mean())
            print(f"{model:8} {bits} bits: {np.mean(errors):.4f} px")
