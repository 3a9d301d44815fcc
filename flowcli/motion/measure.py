"""The numbers of one pair: what COLUMNS calls measured."""

from __future__ import annotations

import numpy as np

from flowcli.flow import FlowField, Frame
from flowcli.motion.camera import fit_camera
from flowcli.motion.columns import MEASURED
from flowcli.motion.cut import is_cut, measure_content, measure_similarity
from flowcli.motion.options import MotionOptions
from flowcli.motion.vbench import FASTEST, threshold

# A number, a flag, or None where the pair says nothing of it.
Value = float | bool | None


def measure_motion(
    frame1: Frame, frame2: Frame, forward: FlowField, backward: FlowField | None, rate: float, options: MotionOptions
) -> dict[str, Value]:
    """Return the measured columns of a pair, in the order of the table.

    Args:
        frame1: uint8 `(H, W, 3)`.
        frame2: the same size.
        forward: flow from frame 1 to frame 2, the same size.
        backward: flow back, for `consistent`; None where it is not known.
        rate: frames per second of the video, all its frames counted.
        options: how to measure.
    """
    known = forward.known
    found: dict[str, Value] = dict.fromkeys(MEASURED)
    found["known"] = float(known.mean())
    found["content"] = content = measure_content(frame1, frame2)
    if backward is not None:
        from flowcli.coarse_to_fine.consistency import find_occlusion

        found["consistent"] = 1.0 - float(find_occlusion(forward, backward).mean())
    found["similarity"] = similarity = measure_similarity(frame1, frame2, forward)
    found["scene_cut"] = is_cut(similarity, content)
    length = forward.magnitude()[known].astype(np.float64)
    if length.size == 0:
        return found
    diagonal = float(np.hypot(*forward.size))
    ordered = np.sort(length)
    fastest = ordered[-max(1, int(FASTEST * ordered.size)) :]
    lengths = {
        "mean": float(length.mean()),
        "median": float(np.median(ordered)),
        "p95": float(np.percentile(ordered, 95)),
        "top5": float(fastest.mean()),
    }
    found |= lengths
    found |= {f"{name}_diagonal": value / diagonal for name, value in lengths.items()}
    found["moving"] = float(np.mean(length > options.moving))
    found["u"], found["v"] = (float(forward.uv[..., k][known].mean(dtype=np.float64)) for k in (0, 1))
    found["dynamic"] = lengths["top5"] > threshold(forward.size, rate)
    camera = fit_camera(forward, options.camera)
    if camera is not None:
        rest = np.linalg.norm(forward.uv - camera.flow(forward.size), axis=2)[known]
        found |= camera.describe(forward.size)
        found["camera"] = float(np.mean(rest <= camera.tolerance))
        found["residual"] = float(rest.mean(dtype=np.float64))
        found["residual_diagonal"] = float(rest.mean(dtype=np.float64)) / diagonal
        found["residual_moving"] = float(np.mean(rest > options.moving))
    return found
