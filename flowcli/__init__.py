"""Dense optical flow from the command line, estimated by a Perceiver IO network.

    import flowcli
    with flowcli.Estimator() as estimator:
        flow = estimator.flow(frame1, frame2)   # uint8 (H, W, 3) RGB -> FlowField
    flowcli.write_flow("out.flo", flow)

The names below are resolved on first use: importing flowcli must not pay for importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowcli.coarse_to_fine.consistency import find_confidence, find_occlusion
    from flowcli.errors import FlowcliError
    from flowcli.estimator import BidirectionalFlow, Estimator, estimate
    from flowcli.evaluation.metrics import measure as measure_errors
    from flowcli.flow import FlowField
    from flowcli.frames import as_frame
    from flowcli.io.flow import read_flow, write_flow
    from flowcli.io.image import read_image, read_images, write_image
    from flowcli.io.sources import FrameSource, open_source
    from flowcli.io.video.write import VideoSink as VideoWriter
    from flowcli.methods import FlowMethod
    from flowcli.options import EstimatorOptions
    from flowcli.runtime.process import configure_process
    from flowcli.viz import render as flow_to_image
    from flowcli.warping.backward import warp

__version__ = "0.1.0"

__all__ = [
    "BidirectionalFlow",
    "Estimator",
    "EstimatorOptions",
    "FlowField",
    "FlowMethod",
    "FlowcliError",
    "FrameSource",
    "VideoWriter",
    "as_frame",
    "configure_process",
    "estimate",
    "find_confidence",
    "find_occlusion",
    "flow_to_image",
    "measure_errors",
    "open_source",
    "read_flow",
    "read_image",
    "read_images",
    "warp",
    "write_flow",
    "write_image",
]

_HOMES = {
    "BidirectionalFlow": ("estimator", "BidirectionalFlow"),
    "Estimator": ("estimator", "Estimator"),
    "EstimatorOptions": ("options", "EstimatorOptions"),
    "FlowField": ("flow", "FlowField"),
    "FlowMethod": ("methods", "FlowMethod"),
    "FlowcliError": ("errors", "FlowcliError"),
    "FrameSource": ("io.sources", "FrameSource"),
    "VideoWriter": ("io.video.write", "VideoSink"),
    "as_frame": ("frames", "as_frame"),
    "configure_process": ("runtime.process", "configure_process"),
    "estimate": ("estimator", "estimate"),
    "find_confidence": ("coarse_to_fine.consistency", "find_confidence"),
    "find_occlusion": ("coarse_to_fine.consistency", "find_occlusion"),
    "flow_to_image": ("viz", "render"),
    "measure_errors": ("evaluation.metrics", "measure"),
    "open_source": ("io.sources", "open_source"),
    "read_flow": ("io.flow", "read_flow"),
    "read_image": ("io.image", "read_image"),
    "read_images": ("io.image", "read_images"),
    "warp": ("warping.backward", "warp"),
    "write_flow": ("io.flow", "write_flow"),
    "write_image": ("io.image", "write_image"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
